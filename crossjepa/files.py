"""Files that are written completely or not at all, and locks."""

import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


def atomic_write(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Writes a file under a temporary name in the same folder and renames it once it is on the disk.

    Args:
        path: the file; an older one stays untouched until the new one is complete.
        write: writes the content to an open binary file.
    """
    target = Path(path)
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            _take(file)
            write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(target)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def remove_partials(folder: str | os.PathLike[str]) -> None:
    """Removes what killed processes left of `atomic_write` in a folder; what others still write stays."""
    for path in Path(folder).glob(".*.partial"):
        with suppress(OSError), path.open("r+b") as file:
            if _take(file):
                path.unlink()


def _take(file: BinaryIO) -> bool:
    """Locks an open file until it is closed or the process ends; returns whether that was possible."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):  # locked by another, or no locks: Windows, some network drives
        return False
    return True


def write_json(path: str | os.PathLike[str], values: Any) -> None:
    """Writes plain values as indented JSON, atomically."""
    text = json.dumps(values, indent=2, sort_keys=False) + "\n"
    atomic_write(path, lambda file: file.write(text.encode()))


def lock_file(path: str | os.PathLike[str]) -> Path:
    """Returns the path of the lock file of a file or folder."""
    return Path(path).with_name(f".{Path(path).name}.lock")


@contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Holds a lock, so that no other process on this machine changes the same file or folder.

    The lock is on a hidden file beside the path, which need not exist; the system releases it when the
    process ends, even if it is killed.
    """
    try:
        import fcntl
    except ImportError:  # On Windows, it is up to the user to run one process at a time.
        yield
        return
    with lock_file(path).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes arrays as `np.savez` does, but atomically and under any names.

    `np.savez` takes the names as keyword arguments, so it cannot store an array named "file".
    """

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    atomic_write(path, write)
