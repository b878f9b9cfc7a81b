"""What a GPU makes of the library: parity with the CPU, then speed of the network, of pretraining and caches.

    python examples/benchmarks/gpu.py [--minutes 4] [--teacher FILE ...] [-o results.json]

Tables are printed as they grow, the most important ones first, each with the name of the card; a section that
fails prints its error, and the rest goes on. Weights are random, since they cost no time. `--device cpu
--minutes 0.1` tries everything out at small sizes.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path

import gpu_network as network
import gpu_training as training
import torch
from gpu_timing import Bench, number


def sections(teachers: list[Path], width: int) -> list[tuple[str, Callable[[Bench], None]]]:
    """Returns what is measured, the most important first."""
    return [
        ("card", network.card),
        ("parity", network.parity),
        ("network", network.network),
        ("pretraining", partial(training.pretraining, width=width)),
        ("teachers", partial(training.teachers, files=teachers)),
        ("rendering", training.rendering),
        ("paper", training.paper),
        ("breakdown", network.breakdown),
        ("encode", network.encode),
        ("sampling", network.sampling),
        ("profile", partial(training.profile, width=width)),
        ("largest", partial(training.largest, width=width)),
    ]


def summary(bench: Bench, failed: list[str]) -> None:
    """Prints what to remember."""
    print(f"\nSummary  [{bench.card}; {bench.elapsed:.0f} s]")
    for name, peak in bench.peaks.items():
        rate = bench.results.get("best clouds/s", {}).get(name)
        best = f", network {rate:,.0f} clouds/s" if rate else ""
        print(f"  {name}: matrix products {number(peak / 1e12)} TFLOP/s{best}")
    for row in bench.results.get("parity", []):
        print(f"  parity: {row['what']} {number(row['largest'])} {row['twice']}")
    for row in bench.results.get("paper", []):
        if row["value"] is not None:
            print(f"  paper: {row['recipe shapenet-paper']} {number(row['value'])}")
    print(f"  sections that failed: {', '.join(failed) or 'none'}", flush=True)


def main() -> int:
    """Runs all sections."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=4.0, help="about how long it may take")
    parser.add_argument(
        "--teacher", nargs="*", type=Path, default=[], help="ARCHITECTURE.safetensors, or folders of them"
    )
    parser.add_argument("--teacher-width", type=int, default=3504)
    parser.add_argument(
        "--only", nargs="*", default=[], help="names of sections; the card is always measured"
    )
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    given = [sorted(path.glob("*.safetensors")) if path.is_dir() else [path] for path in options.teacher]
    bench = Bench(torch.device(options.device), options.minutes, options.output)
    failed = []
    for name, section in sections(list(chain(*given)), options.teacher_width):
        if options.only and name not in ("card", *options.only):
            continue
        if bench.elapsed > 60 * options.minutes + 20:
            print(f"\n{name}: left out, the time is up", flush=True)
            continue
        try:
            section(bench)
        except Exception:
            failed.append(name)
            print(f"\n{name} failed:\n{traceback.format_exc()}", flush=True)
        bench.clean()
        bench.save()
    summary(bench, failed)
    bench.save()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
