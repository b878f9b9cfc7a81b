"""What the parts of `gpu.py` share: times on any device, tables printed as they grow, and results."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

Work = Callable[[], object]


@dataclass
class Bench:
    """One run of the benchmark.

    Attributes:
        device: what is measured.
        minutes: about how long it may take; repetitions become fewer with it.
        peaks: measured operations per second of large matrix products, by precision.
        results: rows of all tables, by section; figures that later sections need.
    """

    device: torch.device
    minutes: float
    output: Path | None = None
    peaks: dict[str, float] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    title: str = ""
    columns: tuple[str, ...] = ()

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU is measured: on a CPU everything is tried out at small sizes."""
        return self.device.type == "cuda"

    @property
    def card(self) -> str:
        """The name beside every figure."""
        if self.on_gpu:
            return torch.cuda.get_device_name(self.device)
        return f"CPU, {torch.get_num_threads()} threads"

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    def sync(self) -> None:
        """Waits for the device."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Work, share: float = 0.002, *, wall: bool = False, warm: int = 2) -> float:
        """Returns the median seconds of a call.

        Args:
            work: what is timed, on the device.
            share: share of the run's time that the repetitions may take.
            wall: time by the clock, for what works on the CPU as well.
            warm: calls that are not timed.
        """
        least = 3 if self.on_gpu else 0
        for _ in range(warm if self.on_gpu else 0):
            work()
        self.sync()
        before = time.perf_counter()
        work()
        self.sync()
        once = time.perf_counter() - before
        count = max(least, min(100, int(60 * self.minutes * share / max(once, 1e-6))))
        if self.on_gpu and not wall:
            return self._by_events(work, count)
        spent = [] if count else [once]
        for _ in range(count):
            before = time.perf_counter()
            work()
            self.sync()
            spent.append(time.perf_counter() - before)
        return statistics.median(spent)

    def _by_events(self, work: Work, count: int) -> float:
        marks: list[Any] = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]  # type: ignore[no-untyped-call]
        marks[0].record()
        for mark in marks[1:]:
            work()
            mark.record()
        self.sync()
        spent = [float(first.elapsed_time(second)) for first, second in pairwise(marks)]
        return statistics.median(spent) / 1e3

    def table(self, section: str, title: str, *columns: str) -> None:
        """Begins a table, with the name of the device in its title."""
        self.title, self.columns = section, columns
        self.results.setdefault(section, [])
        print(f"\n{title}  [{self.card}; {self.elapsed:.0f} s]", flush=True)
        print(" ".join(f"{name:>{self._width(name)}}" for name in columns), flush=True)

    def row(self, *values: Any) -> None:
        """Prints a row and keeps it."""
        self.results[self.title].append(dict(zip(self.columns, values, strict=True)))
        cells = []
        for name, value in zip(self.columns, values, strict=True):
            text = value if isinstance(value, str) else "-" if value is None else number(value)
            cells.append(f"{text:>{self._width(name)}}")
        print(" ".join(cells), flush=True)

    def _width(self, name: str) -> int:
        return max(len(name), 34 if name == self.columns[0] else 9)

    def save(self) -> None:
        """Writes the results so far."""
        if self.output:
            facts = {"device": self.card, "torch": torch.__version__, "seconds": self.elapsed}
            self.output.write_text(json.dumps({**facts, "peaks": self.peaks, **self.results}, indent=1))

    def clean(self) -> None:
        """Gives unused memory of the device back."""
        if self.on_gpu:
            with suppress(RuntimeError):  # after an error of the device, all that follows fails
                torch.cuda.empty_cache()


def number(value: float) -> str:
    """Returns a number with about three digits."""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


@contextmanager
def tf32(enabled: bool) -> Iterator[None]:
    """Lets float32 matrix products round their inputs to TF32, or not."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if enabled else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def captured(work: Work) -> Work:
    """Returns a replay of what the work starts on the GPU."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def driver() -> str:
    """Returns the version of NVIDIA's driver, "unknown" if it does not say."""
    words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=20).stdout.strip() or "unknown"
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"


def first_of(values: Sequence[int], bench: Bench, few: int) -> list[int]:
    """Returns all sizes on a GPU, and on a CPU the first few."""
    return list(values) if bench.on_gpu else list(values[:few])
