"""What a run logs is there and true: after every line, after a cut, and when it breaks."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from crossjepa.train.common import loggers
from crossjepa.train.common.checkpoint import checkpoints
from crossjepa.train.common.loggers import RunLog, read_log
from crossjepa.train.pretrain.config import PretrainConfig, RunOptions
from crossjepa.train.pretrain.online_probe import ProbeData
from crossjepa.train.pretrain.trainer import pretrain
from tests.conftest import REPOSITORY
from tests.helpers.small_cache import CONFIG, make_cache

EVERY_STEP = RunOptions(device="cpu", progress=False, save_every=6, log_every=1, probe_every=6)
DOCUMENT = REPOSITORY / "docs" / "pretraining.md"
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PretrainConfig:
    """A small recipe with its cache."""
    folder = tmp_path_factory.mktemp("cache") / "cache"
    make_cache(folder)
    return CONFIG.change(cache=str(folder))


def test_the_log_is_true_after_every_line(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    lines: list[dict[str, float]] = [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 0.25},
        {"step": 2, "ridge": 0.75, "rank": 3.5},
        {"step": 3, "loss": 0.125},
    ]
    for number, line in enumerate(lines, start=1):
        log.write(**line)
        assert read_log(tmp_path) == lines[:number]
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # as a killed process leaves it
    assert read_log(tmp_path) == lines
    RunLog(tmp_path, 2)
    assert read_log(tmp_path) == lines[:3]
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


@pytest.mark.usefixtures("pictures")
def test_curves_are_drawn_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(loggers, "SECONDS_BETWEEN_PICTURES", 0.0)
    log = RunLog(tmp_path, 0)
    assert not (tmp_path / "curves.png").exists()
    log.write(step=1, loss=0.5)
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)


@pytest.mark.usefixtures("pictures")
def test_a_run_that_breaks_leaves_its_figures(config: PretrainConfig, tmp_path: Path) -> None:
    broken = config.change(learning_rate=1e30, optimizer="adamw", warmup_steps=0)
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        pretrain(broken, tmp_path, EVERY_STEP)
    assert read_log(tmp_path)[0]["step"] == 1
    pytest.importorskip("matplotlib")
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)


def test_every_column_is_explained(config: PretrainConfig, tmp_path: Path) -> None:
    make_cache(tmp_path / "cache", dense=(16, 4))
    everything = config.change(
        cache=str(tmp_path / "cache"), points_weight=0.5, occupancy_weight=1.0, occupancy_nodes=2,
        contrast_weight=0.3, dense_weight=1.0, dense_points=8, steps=2,
    )  # fmt: skip
    data = ProbeData(torch.randn(20, 64, 3, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2)
    pretrain(everything, tmp_path / "run", replace(EVERY_STEP, probe_every=2), data)
    columns = {name for line in read_log(tmp_path / "run") for name in line}
    assert columns >= {"points_loss", "occupancy_loss", "contrast_loss", "held_out_loss", "ridge", "rank"}
    section = DOCUMENT.read_text().split("## What a run leaves")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert columns == explained


def cut(config: PretrainConfig, run: Path, options: RunOptions) -> None:
    """Leaves a run whose log is three steps ahead of its last checkpoint, as a killed process does."""
    pretrain(config, run, replace(options, stop_after=9))
    checkpoints(run)[-1].unlink()
    assert checkpoints(run)[-1].name == "step-000000006.pt"


@pytest.mark.slow
def test_tensorboard_has_every_step_once(config: PretrainConfig, tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    options = replace(EVERY_STEP, tensorboard=True)
    cut(config, tmp_path, options)
    pretrain(config, tmp_path, options)
    events: Any = accumulators.EventAccumulator(str(tmp_path))
    events.Reload()
    lines = [line for line in read_log(tmp_path) if "loss" in line]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert [event.step for event in events.Scalars("loss")] == list(range(1, 13))
    logged = [event.value for event in events.Scalars("loss")]
    assert logged == pytest.approx([line["loss"] for line in lines])
    assert [event.step for event in events.Scalars("held_out_loss")] == [6, 12]


def test_tensorboard_has_what_was_logged_before_a_process_was_killed(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    code = (
        "import os, sys; from pathlib import Path; from crossjepa.train.common.loggers import RunLog\n"
        "log = RunLog(Path(sys.argv[1]), 0, tensorboard=True)\n"
        "log.write(step=1, loss=0.5)\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    events: Any = accumulators.EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 0.5)]


def wandb_records(file: Path) -> Iterator[Any]:
    """The records of a W&B file, which is a log of LevelDB: blocks of 32 KiB, parts of records in them."""
    make_record = import_module("wandb.proto.wandb_internal_pb2").Record
    content, place, record = file.read_bytes(), 7, b""
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:  # no part begins so near the end of a block
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a complete one, or the last part of one
            found = make_record()
            found.ParseFromString(record)
            yield found
            record = b""


def test_wandb_tells_runs_of_one_name_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    for name, value in {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    for number, name in enumerate(("a/run", "b/run", "a/run")):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        with RunLog(tmp_path / name, number, wandb="test") as log:
            log.write(step=number + 1, loss=0.5)
    wandb.teardown()  # waits for the process that writes
    files = {
        name: sorted((tmp_path / name).glob("wandb/offline-*/run-*.wandb")) for name in ("a/run", "b/run")
    }
    ids = {name: {file.stem for file in found} for name, found in files.items()}
    assert [len(found) for found in files.values()] == [2, 1]
    assert [len(found) for found in ids.values()] == [1, 1]
    assert ids["a/run"] != ids["b/run"]
    for number, file in ((1, files["a/run"][0]), (3, files["a/run"][1]), (2, files["b/run"][0])):
        records = list(wandb_records(file))
        logged = [item for record in records for item in record.history.item if "loss" in item.nested_key]
        assert [item.value_json for item in logged] == ["0.5"]
        assert [record.history.step.num for record in records if record.HasField("history")] == [number]
        assert [record.exit.exit_code for record in records if record.HasField("exit")] == [0]


def test_wandb_without_a_key_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    wandb.teardown()  # of settings that an earlier run of this process had
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"WANDB_MODE": "online", "WANDB_SILENT": "true", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=r"--wandb mine: .*key"):
        RunLog(tmp_path, 0, wandb="mine")
