"""Locks that keep processes of this machine apart, and that end with the process, even if it is killed."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crossjepa.errors import FolderInUseError


def take(handle: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Locks an open file or folder until it is closed or the process ends.

    Args:
        handle: of the file or folder.
        shared: whether others may hold shared locks meanwhile.
        wait: whether to wait while others hold it.

    Returns:
        Whether that was possible: not if others hold it, or without locks, as on Windows and some network
        drives.
    """
    try:
        import fcntl

        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
    except (ImportError, OSError):
        return False
    return True


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


_held = set[tuple[str, int]]()


@contextmanager
def in_use(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keeps a folder for one run; what this thread does with the same folder meanwhile belongs to the run.

    A run marks its folder by a hidden file beside it, which holds the number of the process and is locked.
    The system releases the lock when the process ends, even if it is killed: the file alone stops nobody.

    Raises:
        FolderInUseError: another run on this machine uses the folder; the message names the process.
    """
    key = (os.path.realpath(folder), threading.get_ident())
    if key in _held:
        yield
        return
    handle = _mark(Path(key[0]), shown=folder)
    _held.add(key)
    try:
        yield
    finally:
        _held.remove(key)
        if handle is not None:
            with suppress(OSError):
                _mark_file(Path(key[0])).unlink()
            os.close(handle)


def _mark_file(folder: Path) -> Path:
    beside = folder.with_name(f".{folder.name}.running")
    writable = not folder.is_dir() or os.access(folder.parent, os.W_OK)
    return beside if writable else folder / ".running"


def _mark(folder: Path, shown: str | os.PathLike[str]) -> int | None:
    """Marks a folder and returns the handle to close; None if this system has no such locks."""
    try:
        import fcntl
    except ImportError:  # On Windows, it is up to the user to start one run at a time.
        return None
    path = _mark_file(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, handle):
                os.ftruncate(handle, 0)
                os.write(handle, str(os.getpid()).encode())
                return handle
            os.close(handle)  # its run has ended just now and removed it
        except BlockingIOError:
            process = os.read(handle, 20).decode(errors="replace")
            os.close(handle)
            user = f"another run (process {process or 'unknown'})"
            reason = f"is in use by {user}: wait for its end, or choose another folder"
            raise FolderInUseError(shown, reason) from None
        except OSError:  # no locks, as on some network drives
            os.close(handle)
            return None


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
