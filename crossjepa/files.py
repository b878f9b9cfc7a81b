"""Files that are written completely or not at all."""

import glob
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from crossjepa.locks import take


class _Raw(io.RawIOBase):
    """A file that remembers why writing failed.

    Writers that are not in Python report a full disk as an error of their own, without its reason.
    """

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.error: OSError | None = None

    def close(self) -> None:
        if not self.closed:
            os.close(self.handle)
        super().close()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self.handle, offset, whence)

    def write(self, data: Any) -> int:
        try:
            return os.write(self.handle, data)
        except OSError as error:
            self.error = error
            raise


def atomic_write(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Writes a file under a temporary name in the same folder and renames it once it is on the disk.

    What killed processes left of writing the same file is removed.

    Args:
        path: the file; an older one stays untouched until the new one is complete.
        write: writes the content to an open binary file.

    Raises:
        OSError: the file cannot be written, for example because the disk is full; it names `path`.
    """
    target, raw = Path(path), None
    remove_partials(target.parent, target.name)
    try:
        handle, partial = _temporary(target)
        raw = _Raw(handle)
        try:
            file = io.BufferedWriter(raw)
            write(cast(BinaryIO, file))
            file.flush()
            os.fsync(handle)
            partial.chmod(0o644)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        finally:
            raw.close()  # with what a failed write left in the buffer
    except Exception as error:
        reason = raw.error if raw and raw.error else error
        names_other = isinstance(reason, OSError) and not _is_of(target, reason.filename)
        if isinstance(reason, OSError) and reason.errno is not None and not names_other:
            raise OSError(reason.errno, reason.strerror, os.fspath(target)) from error
        raise


def _is_of(target: Path, name: object) -> bool:
    """Returns whether an error is about the temporary file of a target, or names none."""
    return not name or Path(str(name)).name.startswith(f".{target.name}.")


def _temporary(target: Path) -> tuple[int, Path]:
    """Opens a new file beside the target and locks it, so that nobody takes it for one that is left."""
    while True:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial")
        take(handle, wait=True)
        if Path(name).exists():
            return handle, Path(name)
        os.close(handle)  # another process took it for one, before it was locked


def remove_partials(folder: str | os.PathLike[str], name: str = "") -> None:
    """Removes what killed processes left of `atomic_write` in a folder; what others still write stays.

    Args:
        folder: the folder.
        name: the file that was written; any by default.
    """
    for path in Path(folder).glob(f".{glob.escape(name)}*.partial"):
        with suppress(OSError), path.open("r+b") as file:
            if take(file.fileno()):
                path.unlink()


def fill_holes(handle: int, size: int) -> None:
    """Reserves the blocks of a file whose length is `size`; what is written there stays.

    Raises:
        OSError: the disk is full.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
        return
    step = 1 << 20  # a hole reads as zeros, which are written back
    for start in range(0, size, step):
        os.lseek(handle, start, os.SEEK_SET)
        content = os.read(handle, min(step, size - start))
        os.lseek(handle, start, os.SEEK_SET)
        os.write(handle, content)


def write_json(path: str | os.PathLike[str], values: Any) -> None:
    """Writes plain values as indented JSON, atomically."""
    text = json.dumps(values, indent=2, sort_keys=False) + "\n"
    atomic_write(path, lambda file: file.write(text.encode()))


def member_name(name: str) -> str:
    """Returns the name of a file as archives can hold it: what is not UTF-8 becomes \\udce9 and the like."""
    return name.encode("utf-8", "backslashreplace").decode()


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes arrays as `np.savez` does, but atomically and under any names.

    `np.savez` takes the names as keyword arguments, so it cannot store an array named "file".
    """

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{member_name(name)}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    atomic_write(path, write)
