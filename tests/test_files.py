"""Files are written completely or not at all, and one process at a time changes a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.files import atomic_write, lock_file, locked, remove_partials, write_json, write_npz


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    atomic_write(path, lambda file: file.write(b"old"))

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        atomic_write(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_files_are_readable_for_all(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a.bin", lambda file: file.write(b"x"))
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o644


def test_json_is_indented_and_keeps_its_order(tmp_path: Path) -> None:
    values = {"b": [1, 2.5], "a": {"text": "ä"}}
    write_json(tmp_path / "a.json", values)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == values
    assert text.startswith('{\n  "b": [')
    assert text.endswith("}\n")


def test_npz_holds_arrays_of_any_name(tmp_path: Path) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "file": np.arange(3),
        "args": np.eye(2, dtype=np.float32),
        "a/b": np.array(["x", "yz"]),
    }
    write_npz(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert set(archive) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(archive[name], array)


def test_npz_refuses_objects(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        write_npz(tmp_path / "a.npz", {"a": np.array([{}, None], dtype=object)})
    assert not list(tmp_path.iterdir())


APPEND = """
import sys
from pathlib import Path
from crossjepa.files import locked
path = Path(sys.argv[1])
for _ in range(50):
    with locked(path):
        path.write_text(str(int(path.read_text()) + 1))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_a_lock_keeps_other_processes_out(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", APPEND, counter]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert counter.read_text() == "150"
    assert lock_file(counter).name == ".counter.lock"
    with locked(counter):  # free again
        pass


def test_folders_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".folder.partial").mkdir()
    for name in (".hidden", "some.partial", "whole"):
        atomic_write(tmp_path / name, lambda file: file.write(b"content"))
    before = set(tmp_path.iterdir())
    remove_partials(tmp_path)
    assert set(tmp_path.iterdir()) == before
    remove_partials(tmp_path / "absent")
