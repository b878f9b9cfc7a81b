"""The examples run as printed."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import REPOSITORY


def run(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_quickstart() -> None:
    lines = run("examples/quickstart.py").splitlines()
    assert lines[0] == "6 files -> features of shape (6, 576)"
    assert len(lines) == 7
    assert next(line for line in lines if line.startswith("chair.obj")).split()[4] == "table.obj"


def test_speed_benchmark_prints_every_part() -> None:
    output = run("examples/benchmarks/encode_speed.py", "--batch-size", "2", "--threads", "1")
    for part in ("read files", "preprocess", "FPS and kNN", "patch embedding", "transformer", "matmul peak"):
        assert part in output
