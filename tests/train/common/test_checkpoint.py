"""Checkpoints: the last few kept, damaged ones named."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.runs import QUIET


def test_the_last_checkpoints_are_kept_and_read_back(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"of somebody else")
    for step in (9, 10, 11):
        save_checkpoint(tmp_path, step, {"model": {"weight": torch.full((2,), float(step))}}, keep=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000010.pt", "step-000000011.pt"]
    state = load_checkpoint(checkpoints(tmp_path)[-1])
    assert state["step"] == 11
    assert torch.equal(state["model"]["weight"], torch.full((2,), 11.0))
    assert (tmp_path / "weights.pt").is_file()


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "damaged.pt").write_bytes(b"PK")
    torch.save({"model": {}}, tmp_path / "other.pt")
    for name, reason in (("damaged", "not a readable checkpoint"), ("other", r"it has no \['step'\]")):
        with pytest.raises(ValueError, match=rf"{name}\.pt: .*{reason}"):
            load_checkpoint(tmp_path / f"{name}.pt")


def test_no_code_of_a_checkpoint_is_run(tmp_path: Path) -> None:
    torch.save({"model": {}, "step": 1, "code": print}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path / "evil.pt")


WRITER = """
import sys, time
from crossjepa.files import atomic_write

def write(file):
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(600)

atomic_write(sys.argv[1], write)
"""


def start_writing(path: Path) -> subprocess.Popen[bytes]:
    """Starts a process that has written the half of a file, and does not go on."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    return process


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no locks here")
@pytest.mark.slow
def test_only_what_dead_writers_left_is_removed(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path, replace(QUIET, stop_after=3))
    living = start_writing(tmp_path / "step-000000006.pt")
    dead = start_writing(tmp_path / "step-000000009.pt")
    dead.kill()
    dead.communicate()
    assert len(list(tmp_path.glob(".*.partial"))) == 2
    pretrain(config, tmp_path, replace(QUIET, stop_after=1))
    (left,) = tmp_path.glob(".*")
    assert left.name.startswith(".step-000000006.pt.")
    living.kill()
    living.communicate()
    pretrain(config, tmp_path, QUIET)
    assert not list(tmp_path.glob(".*"))
