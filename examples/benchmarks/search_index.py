"""What an index of made-up features takes: build, append, delete, search, memory; recall of neighbors.

    python examples/benchmarks/search_index.py [--sizes 10000 30000 100000]

Features are points near a surface of 32 dimensions in 576, as real ones are, not evenly spread. No views.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.index.table import IndexFacts, IndexTables, ShapeRows, make_approximate

WIDTH, LATENT, BATCH, QUERIES, TOP = 576, 32, 1000, 50, 10


def made_up(count: int, seed: int) -> NDArray[np.float32]:
    """Returns (count, WIDTH) features of unit length."""
    basis_LE = np.random.default_rng(0).normal(size=(LATENT, WIDTH))
    rng = np.random.default_rng([1, seed])
    rows_nE = rng.normal(size=(count, LATENT)) @ basis_LE / np.sqrt(LATENT) + 0.3 * rng.normal(
        size=(count, WIDTH)
    )
    return np.asarray(rows_nE / np.linalg.norm(rows_nE, axis=1, keepdims=True), np.float32)


def add(tables: IndexTables, start: int, count: int) -> None:
    """Adds rows in batches."""
    for first in range(start, start + count, BATCH):
        names = [f"/shapes/{number % 100}/{number}.obj" for number in range(first, first + BATCH)]
        empty = np.zeros((BATCH, 0, 1), np.float32)
        tables.add(ShapeRows(names, names, np.arange(BATCH), made_up(BATCH, first), empty))


def timed(work: Callable[[], Any]) -> float:
    """Returns the seconds that work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ask(tables: IndexTables, queries_mE: NDArray[np.float32], *, exact: bool) -> tuple[float, list[set[str]]]:
    """Returns the median milliseconds of a query, and what each found."""
    tables.nearest(tables.shapes, queries_mE[0], TOP, exact=exact)
    found, seconds = [], []
    for query_E in queries_mE:
        start = time.perf_counter()
        rows = tables.nearest(tables.shapes, query_E, TOP, exact=exact)
        seconds.append(time.perf_counter() - start)
        found.append({row["file"] for row in rows})
    return 1000 * float(np.median(seconds)), found


def measure(size: int, folder: Path) -> None:
    """Prints what an index of a size takes."""
    tables = IndexTables.create(folder, IndexFacts("made up", "0"), WIDTH, 1)
    build = timed(lambda: add(tables, 0, size))
    append = timed(lambda: add(tables, size, BATCH))
    gone = [f"/shapes/{number % 100}/{number}.obj" for number in range(size, size + BATCH)]
    delete = timed(lambda: tables.remove(gone))
    queries_mE = made_up(QUERIES, 10**9)
    exact, truth = ask(tables, queries_mE, exact=True)
    train = timed(lambda: make_approximate(tables.shapes, size))
    approximate, found = ask(tables, queries_mE, exact=False)
    recall = np.mean([len(one & other) / TOP for one, other in zip(found, truth, strict=True)])
    optimize = timed(tables.optimize)
    mebibytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    opened = timed(lambda: IndexTables.open(folder))
    print(
        f"{size:>7} {build:>8.1f} {append:>8.2f} {delete:>8.2f} {optimize:>9.2f} {opened:>7.3f} "
        f"{exact:>9.1f} {train:>8.1f} {approximate:>8.1f} {recall:>8.1%} {mebibytes:>7.0f} {memory:>7.0f}",
        flush=True,
    )


def main() -> None:
    """Prints a row for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 30_000, 100_000])
    options = parser.parse_args()
    print(
        f"seconds, but milliseconds per query; {BATCH} rows appended and deleted; MiB on disk and in memory"
    )
    print(
        f"{'rows':>7} {'build':>8} {'append':>8} {'delete':>8} {'optimize':>9} {'open':>7} {'exact ms':>9} "
        f"{'train':>8} {'ANN ms':>8} {'recall':>8} {'disk':>7} {'memory':>7}"
    )
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            measure(size, Path(folder))


if __name__ == "__main__":
    main()
