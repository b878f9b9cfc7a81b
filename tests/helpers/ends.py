"""Two runs of pretraining that must have ended alike."""

from __future__ import annotations

from pathlib import Path

import torch

from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.common.loggers import read_log


def assert_same_weights(first: Path, second: Path) -> None:
    """Compares the last checkpoints of two runs to the bit."""
    states = [load_checkpoint(checkpoints(run)[-1]) for run in (first, second)]
    assert states[0]["step"] == states[1]["step"]
    assert states[0]["model"].keys() == states[1]["model"].keys()
    for name, value in states[0]["model"].items():
        assert torch.equal(value, states[1]["model"][name]), name


def assert_same_end(first: Path, second: Path) -> None:
    """Compares the last checkpoints and the logs of two runs to the bit."""
    assert_same_weights(first, second)
    assert untimed(first) == untimed(second)


def untimed(run: Path) -> list[dict[str, float]]:
    """The log of a run without what depends on the clock."""
    return [{**line, "samples_per_second": 0, "data_share": 0} for line in read_log(run)]
