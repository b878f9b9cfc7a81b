"""How soon the command line answers, and what small commands and `import crossjepa` import.

Each command runs ROUNDS times in a process of its own. The table shows the seconds of the fastest run, with
the start of Python; the seconds that it computed; the modules that are imported at its end, and which heavy
libraries are among them.

    python examples/benchmarks/startup.py --rounds 5
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

SAMPLE = Path(__file__).resolve().parent.parent / "files" / "chair.obj"
HEAVY = ("torch", "timm", "sklearn", "huggingface_hub", "tyro", "numpy")
COMMANDS = (
    "--help", "enocde", "list", "encode --help", "encode --no-such-option", "eval --help", "pretrain --help",
    "finetune --help", f"info {SAMPLE}", "info crossjepa-base", "info no-such-model",
)  # fmt: skip

_RUN = """
import atexit, json, sys
atexit.register(lambda: print("\\n" + json.dumps(list(sys.modules)), file=sys.__stderr__))
if sys.argv[1:]:
    from crossjepa.cli.main import main
    sys.exit(main())
import crossjepa
"""


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each command")
    rounds = parser.parse_args().rounds
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs{load}; fastest of {rounds}")
    print(f"{'command':<34} {'seconds':>7} {'of CPU':>7} {'modules':>7}  heavy")
    for words in ("", *COMMANDS):
        runs = [_run([sys.executable, "-c", _RUN, *words.split()]) for _ in range(rounds)]
        modules = json.loads(runs[0].report.splitlines()[-1])
        seconds, cpu = min(run.seconds for run in runs), min(run.cpu_seconds for run in runs)
        name = f"crossjepa {words.replace(str(SAMPLE), SAMPLE.name)}" if words else "import crossjepa"
        heavy = " ".join(library for library in HEAVY if library in modules)
        print(f"{name:<34} {seconds:7.2f} {cpu:7.2f} {len(modules):7}  {heavy}")


class Run(NamedTuple):
    """A process.

    Attributes:
        seconds: from its start to its end.
        cpu_seconds: of computing, which other processes do not make longer by their turns.
        report: what it wrote to standard error.
    """

    seconds: float
    cpu_seconds: float
    report: str


def _run(command: list[str]) -> Run:
    before, started = os.times(), time.perf_counter()
    report = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    seconds, after = time.perf_counter() - started, os.times()
    computed = sum(after[2:4]) - sum(before[2:4])  # of children
    return Run(seconds, computed, report)


if __name__ == "__main__":
    main()
