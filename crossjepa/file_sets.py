"""Files of a folder that belong together and are replaced together: all of them are old, or all are new.

A new set is written to a hidden folder inside the folder. One rename makes that the valid set, and its files
are then moved to their places; a reader finds each of them in one place or the other, and the next writer
completes what a killed one left. Locks on the folder itself keep readers and writers apart.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from crossjepa.locks import take

_STAGED = ".partial-"
_COMPLETE = ".complete"
_REMOVED = ".removed"


def file_of_set(folder: Path, name: str) -> Path:
    """Returns where a file of the set is; there is none if the set has no such file."""
    moving = folder / _COMPLETE / name
    if moving.is_file() or moving.with_name(name + _REMOVED).is_file():
        return moving
    return folder / name


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Keeps writers of this machine from replacing the set until it has been read."""
    with _locked(folder, shared=True):
        yield


@contextmanager
def replacing(folder: Path, remove: Sequence[str] = ()) -> Iterator[Path]:
    """Replaces files of a folder when the block ends; if it fails, or is killed, all old files stay.

    What killed processes left in the folder is completed or removed.

    Args:
        folder: the folder, which must exist.
        remove: files that the new set lacks.

    Yields:
        An empty folder to write the new files to.
    """
    with _locked(folder):
        _complete(folder)
        for left in folder.glob(f"{_STAGED}*"):
            if _is_abandoned(left):
                shutil.rmtree(left, ignore_errors=True)
        staged = Path(tempfile.mkdtemp(dir=folder, prefix=_STAGED))
        staged.chmod(0o755)  # for readers that come when it is complete
        handle = _lock(staged)
    try:
        yield staged
        for name in remove:
            (staged / (name + _REMOVED)).touch()
        with _locked(folder):
            _complete(folder)
            staged.rename(folder / _COMPLETE)
            _complete(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _complete(folder: Path) -> None:
    """Moves the files of a complete set to their places."""
    complete = folder / _COMPLETE
    if not complete.is_dir():
        return
    for path in sorted(complete.iterdir()):
        if path.name.endswith(_REMOVED):
            (folder / path.name.removesuffix(_REMOVED)).unlink(missing_ok=True)
            path.unlink()
        else:
            path.replace(folder / path.name)
    complete.rmdir()


def _is_abandoned(staged: Path) -> bool:
    """Returns whether the process that wrote to a folder has ended; unknown without locks."""
    handle = _lock(staged, wait=False)
    if handle is not None:
        os.close(handle)
    return handle is not None


@contextmanager
def _locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    handle = _lock(folder, shared=shared)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(folder: Path, *, shared: bool = False, wait: bool = True) -> int | None:
    """Locks a folder until the handle is closed or the process ends.

    Returns None if that is not possible, see `take`.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    if take(handle, shared=shared, wait=wait):
        return handle
    os.close(handle)
    return None
