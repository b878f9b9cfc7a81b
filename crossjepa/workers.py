"""Processes that work ahead of this one: files are read there while the network runs here."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, TypeVar

import torch

from crossjepa.errors import WorkerError

# Fewer files are read sooner than processes start, which takes seconds.
FEWEST_FILES = 256
MOST_WORKERS = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


def cpu_count() -> int:
    """Returns how many CPUs this process may use."""
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


def suggested_workers(files: int) -> int:
    """Returns how many processes should read so many files.

    One CPU is left to the process that runs the network.

    Args:
        files: number of files.

    Returns:
        0, which stands for this process, if there are fewer than 256 files; at most 16.
    """
    return 0 if files < FEWEST_FILES else max(1, min(cpu_count() - 1, MOST_WORKERS))


def map_ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    ahead: int = 0,
    stays_here: Callable[[Item], bool] = lambda item: False,
) -> Generator[Result]:
    """Applies a function to items in other processes, a limited number of items ahead of the caller.

    The processes are spawned, not forked: they share no locks and no threads with this one. They end with it,
    even if it is killed. They take seconds to start, and until then this process does the work.

    Args:
        function: what to apply; it must be possible to pickle it, its items and its results.
        items: an iterable, which is consumed as far ahead as there is work.
        workers: number of processes; 0 to apply the function here, one item at a time.
        ahead: how many items are in work or done ahead of the caller, besides two per worker.
        stays_here: whether an item is not sent to another process; the function is then applied to it here.

    Yields:
        One result per item, in their order.

    Raises:
        WorkerError: a process ended before its work was done.
        ValueError: the number of workers is negative.
    """
    if workers < 0:
        raise ValueError(f"workers must be at least 0, not {workers}")
    if not workers:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_begin, initargs=(function, str(Path.cwd()))
    )
    waiting = deque[tuple[Item, "Future[Result] | None"]]()

    def next_result() -> Result:
        item, future = waiting.popleft()
        return function(item) if future is None else future.result()

    try:
        started = [pool.submit(is_worker) for _ in range(workers)]
        for item in items:
            is_here = stays_here(item) or not any(one.done() for one in started)
            waiting.append((item, None if is_here else pool.submit(_apply, item)))
            if len(waiting) > ahead + 2 * workers:
                yield next_result()
        while waiting:
            yield next_result()
    except BrokenProcessPool as error:
        raise WorkerError(
            "a worker process, which reads files, ended before its work was done: it was killed, or memory "
            "ran out; give fewer workers, or 0 for none. (A script that asks for workers needs the line "
            "`if __name__ == '__main__':` before its work.)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_function: Callable[[Any], Any] | None = None


def is_worker() -> bool:
    """Whether this process works for `map_ahead`."""
    return _function is not None


def _begin(function: Callable[[Any], Any], folder: str) -> None:
    """Prepares a new process."""
    global _function
    _function = function
    os.chdir(folder)  # names of files may be relative
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # after Ctrl-C, the parent ends its workers
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _apply(item: Any) -> Any:
    assert _function is not None
    return _function(item)
