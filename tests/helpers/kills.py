"""Processes that are killed at chosen moments, disks without room, and folders in use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What changes a folder; after a kill between any two of them, what is there must be usable.
CALLS = ("mkdir", "replace", "rename", "unlink", "rmdir", "fsync")


def killed_before(number: int, action: Callable[[], object]) -> bool:
    """Runs an action in a fork of this process that is killed before one of its changes of the disk.

    Args:
        number: which change; the first is 1.
        action: what to run.

    Returns:
        Whether it was killed; False if it made fewer changes and ended well.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _kill_at(number)
            action()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), f"ended with {code}"
    return code != 0


def _kill_at(number: int) -> None:
    calls: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def call(*args: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **options)

        return call

    for name in CALLS:
        setattr(os, name, counted(name))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Lets no file of this process grow beyond a number of bytes, as on a disk without room."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


HOLD = """
import sys, time
from crossjepa.locks import in_use
with in_use(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def user_of(folder: Path) -> subprocess.Popen[str]:
    """A process that uses a folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process
