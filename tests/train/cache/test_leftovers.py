"""What a killed process was writing is removed when its run resumes; what another is writing stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from crossjepa.files import atomic_write, remove_partials
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.runs import QUIET

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


def test_folders_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".folder.partial").mkdir()
    for name in (".hidden", "some.partial", "whole"):
        atomic_write(tmp_path / name, lambda file: file.write(b"content"))
    before = set(tmp_path.iterdir())
    remove_partials(tmp_path)
    assert set(tmp_path.iterdir()) == before
    remove_partials(tmp_path / "absent")
