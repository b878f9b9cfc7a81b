"""Processes that work ahead: order, bounds, errors, and what happens when one of them is killed."""

from __future__ import annotations

import itertools
import operator
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from crossjepa import CrossJEPAError, WorkerError
from crossjepa.workers import FEWEST_FILES, MOST_WORKERS, cpu_count, is_worker, map_ahead, suggested_workers
from tests.conftest import REPOSITORY


def die(item: int) -> int:
    if is_worker():
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def negative(item: int) -> tuple[int, bool]:
    return -item, is_worker()


def about(path: Path) -> tuple[int, int, int]:
    return path.stat().st_size, os.getpid(), torch.get_num_threads()


def counted(count: int, seen: list[int]) -> Iterator[int]:
    for number in range(count):
        seen.append(number)
        yield number


def test_without_workers_items_are_taken_one_at_a_time() -> None:
    seen = list[int]()
    results = map_ahead(operator.neg, counted(10, seen), workers=0, ahead=5)
    assert next(results) == 0
    assert seen == [0]
    assert list(results) == [-number for number in range(1, 10)]
    with pytest.raises(ValueError, match="workers must be at least 0, not -1"):
        next(map_ahead(operator.neg, [1], workers=-1))


def test_suggestions_leave_one_cpu_to_the_network() -> None:
    assert suggested_workers(FEWEST_FILES - 1) == 0
    assert 1 <= suggested_workers(FEWEST_FILES) <= max(1, min(cpu_count() - 1, MOST_WORKERS))


@pytest.mark.slow
def test_results_keep_the_order_and_little_is_taken_ahead() -> None:
    seen, got, there = list[int](), 0, 0
    items = counted(10**9, seen)
    answers = map_ahead(negative, items, workers=2, ahead=3, stays_here=lambda item: item % 7 == 0)
    for result, is_there in answers:
        assert result == -got
        got, there = got + 1, there + is_there
        assert got <= len(seen) <= got + 3 + 2 * 2
        assert not (is_there and got % 7 == 1)
        if there > 200:
            break
    assert there > 200


@pytest.mark.slow
def test_workers_are_other_processes_with_one_thread_in_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(2)
    torch.rand(500, 500) @ torch.rand(500, 500)  # threads that a fork would lack
    answers = map_ahead(about, itertools.repeat(Path("file")), workers=1)
    size, _, threads = next(answer for answer in answers if answer[1] != os.getpid())
    assert (size, threads) == (3, 1)


@pytest.mark.slow
def test_an_error_comes_after_the_results_before_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    seen = list[int]()

    def items() -> Iterator[Path]:
        while not any(process != os.getpid() for process in seen):
            yield tmp_path / "file"
        yield tmp_path / "missing"
        yield tmp_path / "file"

    with pytest.raises(FileNotFoundError, match="missing"):
        for _, process, _ in map_ahead(about, items(), workers=1, ahead=2):
            seen.append(process)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_worker_that_is_killed_is_one_clear_error() -> None:
    with pytest.raises(WorkerError, match="killed, or memory ran out; give fewer workers") as caught:
        for _ in map_ahead(die, itertools.count(), workers=2):
            pass
    assert isinstance(caught.value, CrossJEPAError)


PARENT = """
import itertools, os, signal
from tests.test_workers import about
from pathlib import Path
from crossjepa.workers import map_ahead
if __name__ == "__main__":
    for _, process, _ in map_ahead(about, itertools.repeat(Path(__file__)), workers=2):
        if process != os.getpid():
            print("running", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_workers_end_with_their_parent_even_if_it_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    # The output ends only when the last process that could write to it has ended.
    ended = subprocess.run(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "running\n")


UNGUARDED = """
import itertools, operator
from crossjepa.workers import map_ahead
for _ in map_ahead(operator.neg, itertools.count(), workers=1):
    pass
"""


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED)
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert "WorkerError: " in ended.stderr.splitlines()[-1]
    assert "if __name__ == '__main__':" in ended.stderr.splitlines()[-1]
