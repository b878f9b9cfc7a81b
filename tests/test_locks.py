"""Processes of one machine stay out of each other's way, and killed ones do not stand in it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from crossjepa import FolderInUseError
from crossjepa.locks import in_use, lock_file, locked
from tests.helpers.kills import user_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")

APPEND = """
import sys
from pathlib import Path
from crossjepa.locks import locked
path = Path(sys.argv[1])
for _ in range(50):
    with locked(path):
        path.write_text(str(int(path.read_text()) + 1))
"""


def test_a_lock_keeps_other_processes_out(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", APPEND, counter]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert counter.read_text() == "150"
    assert lock_file(counter).name == ".counter.lock"
    with locked(counter):  # free again
        pass


def test_a_folder_in_use_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "later"
    process = user_of(folder)
    (tmp_path / "link").symlink_to(tmp_path / "made")
    for name in (folder, tmp_path / "link" / "later"):
        with pytest.raises(FolderInUseError) as caught, in_use(name):
            pass
        assert str(caught.value).startswith(f"{name}: is in use by another run (process {process.pid})")
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with in_use(tmp_path / "made" / "other"):
        pass
    process.communicate("")
    with in_use(folder):
        pass
    assert list((tmp_path / "made").iterdir()) == []


def test_a_killed_run_stops_nobody(tmp_path: Path) -> None:
    process = user_of(tmp_path / "run")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [path.name for path in tmp_path.iterdir()] == [".run.running"]
    with in_use(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_uses_its_own_folder_again(tmp_path: Path) -> None:
    refused: list[bool] = []

    def from_another_thread() -> None:
        try:
            with in_use(tmp_path / "run"):
                refused.append(False)
        except FolderInUseError:
            refused.append(True)

    with in_use(tmp_path / "run"):
        with in_use(tmp_path / "run"):
            pass
        thread = threading.Thread(target=from_another_thread)
        thread.start()
        thread.join()
    assert refused == [True]
    assert list(tmp_path.iterdir()) == []
