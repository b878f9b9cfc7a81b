"""Files are written completely or not at all, whatever fails and whoever is killed."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crossjepa.files import atomic_write, fill_holes, remove_partials, write_json, write_npz
from tests.helpers.kills import files_of_at_most, killed_before


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


posix = pytest.mark.skipif(os.name == "nt", reason="needs fork, kill and limits of file sizes")


def test_folders_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".folder.partial").mkdir()
    for name in (".hidden", "some.partial", "whole"):
        atomic_write(tmp_path / name, lambda file: file.write(b"content"))
    before = set(tmp_path.iterdir())
    remove_partials(tmp_path)
    assert set(tmp_path.iterdir()) == before
    remove_partials(tmp_path / "absent")


def save_tensors(file: BinaryIO) -> None:
    torch.save({"weights": torch.zeros(1_000_000)}, file)


def save_array(file: BinaryIO) -> None:
    np.save(file, np.zeros(1_000_000))


def save_archive(file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", bytes(1_000_000))


@posix
@pytest.mark.parametrize(
    "write", [save_tensors, save_array, save_archive, lambda file: file.write(bytes(1 << 20))]
)
def test_a_disk_without_room_is_called_that_by_the_name_of_the_file(
    tmp_path: Path, write: Callable[[BinaryIO], object]
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with files_of_at_most(100_000), pytest.raises(OSError) as caught:
        atomic_write(path, write)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"a.bin": b"old"}


def test_errors_about_other_files_keep_their_names(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        atomic_write(tmp_path / "a.bin", lambda file: file.write((tmp_path / "b").read_bytes()))
    assert caught.value.filename == str(tmp_path / "b")
    with pytest.raises(FileNotFoundError) as caught:
        atomic_write(tmp_path / "gone" / "a.bin", lambda file: file.write(b""))
    assert caught.value.filename == str(tmp_path / "gone" / "a.bin")


@posix
def test_what_killed_writers_leave_goes_with_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "[a]*.npz"
    other = tmp_path / "[a]*.npz.txt"
    for number in range(1, 10):
        if not killed_before(number, lambda: atomic_write(path, lambda file: file.write(b"new"))):
            break
        assert killed_before(1, lambda: atomic_write(other, lambda file: file.write(b"new")))
        assert not path.exists()
    assert number > 2
    assert path.read_bytes() == b"new"
    assert [each for each in tmp_path.iterdir() if each.name.startswith(f".{path.name}.partial")] == []
    remove_partials(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@posix
def test_writers_of_one_file_leave_each_other_alone(tmp_path: Path) -> None:
    path, children = tmp_path / "a.bin", []
    for number in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for _ in range(100):
                    atomic_write(path, lambda file: file.write(bytes([number]) * 10_000))  # noqa: B023
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert len(set(path.read_bytes())) == 1
    assert list(tmp_path.iterdir()) == [path]


@posix
@pytest.mark.parametrize("native", [True, False])
def test_holes_are_filled_and_content_stays(
    tmp_path: Path, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    path = tmp_path / "a.bin"
    with path.open("wb+") as file:
        file.truncate(3_000_000)
        file.seek(1_500_000)
        file.write(b"content")
        file.flush()
        fill_holes(file.fileno(), 3_000_000)
    assert path.stat().st_blocks * 512 >= 3_000_000
    content = path.read_bytes()
    assert (len(content), content.strip(b"\0")) == (3_000_000, b"content")
    with path.open("rb+") as file, files_of_at_most(4_000_000), pytest.raises(OSError) as caught:
        fill_holes(file.fileno(), 5_000_000) if native else file.write(bytes(5_000_000))
    assert caught.value.errno == errno.EFBIG
