"""Checkpoints of a run: whole or not there, the last few kept."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from crossjepa import hub
from crossjepa.config import NAMED_SIZES, ViewPredictionConfig
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.files import atomic_write
from crossjepa.model import CrossJEPA

_NAME = re.compile(r"step-\d{9}\.pt")


def checkpoints(run: str | os.PathLike[str]) -> list[Path]:
    """Returns the checkpoints of a run, oldest first."""
    return sorted(path for path in Path(run).glob("*.pt") if _NAME.fullmatch(path.name))


def save_checkpoint(run: str | os.PathLike[str], step: int, state: dict[str, Any], keep: int) -> Path:
    """Writes `step-NNNNNNNNN.pt` and then removes all but the last `keep` checkpoints.

    Args:
        run: folder of the run.
        step: steps done.
        state: what to store; tensors, numbers, texts, and lists and dicts of them.
        keep: checkpoints to keep, at least one.

    Returns:
        The new file.
    """
    path = Path(run) / f"step-{step:09d}.pt"
    atomic_write(path, lambda file: torch.save({**state, "step": step}, file))
    for old in checkpoints(run)[: -max(keep, 1)]:
        old.unlink()
    return path


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads a checkpoint without running any code of it.

    Raises:
        ValueError: the file is not a checkpoint; the message names it.
    """
    try:
        state = torch.load(Path(path), map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: not a readable checkpoint ({error})") from error
    missing = {"model", "step"} - set(state)
    if missing:
        raise ValueError(f"{path}: not a checkpoint of a pretraining run, it has no {sorted(missing)}")
    return dict(state)


class Released(NamedTuple):
    """Released weights.

    Attributes:
        encoder: state of the encoder, without a head.
        predictor: state of the predictor, {} where there is none or none was asked for.
        prediction: what config.json says about the predictor, None without one.
    """

    encoder: dict[str, Tensor]
    predictor: dict[str, Tensor]
    prediction: ViewPredictionConfig | None


def load_released(source: str | os.PathLike[str], size: str, *, predictor: bool = True) -> Released:
    """Reads released weights.

    Args:
        source: as for `CrossJEPAEncoder.from_pretrained`: a name, an org/repo, or a folder.
        size: the named size that the encoder must have.
        predictor: whether to read the predictor, where there is one.

    Raises:
        ValueError: it is of another size.
    """
    folder, model = hub.locate(source), None
    if predictor and hub.read_config(folder).predictor is not None:
        model = CrossJEPA.from_pretrained(source)
    encoder = model.encoder if model else CrossJEPAEncoder.from_pretrained(folder)
    encoder.set_head(None)
    if encoder.config != NAMED_SIZES[size]:
        raise ValueError(f"{source}: its encoder is not of size {size}")
    if model is None:
        return Released(encoder.state_dict(), {}, None)
    return Released(encoder.state_dict(), model.predictor.state_dict(), model.prediction)
