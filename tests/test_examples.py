"""The examples run as printed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.finetune_data import write_folder
from tests.helpers.tiny_weights import make_encoder


def run(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_quickstart() -> None:
    lines = run("examples/quickstart.py").splitlines()
    assert lines[0] == "8 files -> features of shape (8, 576)"
    nearest = {line.split()[0]: line.split()[4] for line in lines[1:]}
    assert len(nearest) == 8
    for first, second in (("chair.obj", "folding_chair.obj"), ("desk.obj", "table.obj")):
        assert (nearest[first], nearest[second]) == (second, first)


@pytest.mark.slow
def test_finetune_folder(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", 5, ("horse", "table"))
    new_file = "examples/files/horse.obj"
    words = ("examples/finetune_folder.py", str(folder), str(tmp_path / "model"), new_file, "--epochs", "1")
    lines = run(*words).splitlines()
    assert [line.split(":")[0] for line in lines[:-2]] == [
        "accuracy",
        "balanced_accuracy",
        "validation_accuracy",
    ]
    assert lines[-2] == "it knows horse, table"
    assert lines[-1].startswith("horse.obj is a horse (")
    assert run(*words).splitlines() == lines, "an ended run answers from its result"


@pytest.mark.slow
def test_speed_benchmark_prints_every_part() -> None:
    output = run("examples/benchmarks/encode_speed.py", "--batch-size", "2", "--threads", "1")
    for part in ("read files", "preprocess", "FPS and kNN", "patch embedding", "transformer", "matmul peak"):
        assert part in output


@pytest.mark.slow
def test_gpu_benchmark_can_be_tried_out_on_a_cpu(tmp_path: Path) -> None:
    words = (
        "--device",
        "cpu",
        "--minutes",
        "0.05",
        "--teacher-width",
        "16",
        "-o",
        str(tmp_path / "found.json"),
    )
    output = run(
        "examples/benchmarks/gpu.py", *words, "--only", "parity", "network", "pretraining", "rendering"
    )
    assert output.splitlines()[-1] == "  sections that failed: none"
    found = json.loads((tmp_path / "found.json").read_text())
    rows = {row["what"]: row for row in found["parity"]}
    assert rows["features, float32"]["largest"] < 1e-6
    assert rows["FPS 64 of 1024, share equal"]["largest"] == 1
    assert all(row["clouds/s"] > 0 for row in found["network"])
    assert len(found["pretraining"]) == 4


def test_tables_of_performance_are_those_of_the_results() -> None:
    results = sorted(str(path) for path in (REPOSITORY / "docs" / "benchmarks").glob("*.json"))
    assert results
    run("examples/benchmarks/performance_page.py", *results, "--check")


# A process that refuses to import torch and this package.
WITHOUT_TORCH = """
import runpy, sys
sys.modules.update(torch=None, crossjepa=None)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".npy", ".txt"])
def test_onnx_without_torch(tiny_onnx: Path, tmp_path: Path, suffix: str) -> None:
    cloud_N3 = np.random.default_rng(0).normal(size=(300, 3)) * [1, 2, 0.5] + 10
    path = tmp_path / f"cloud{suffix}"
    if suffix == ".npy":
        np.save(path, cloud_N3)
    else:
        np.savetxt(path, cloud_N3, "%.17g")
    example = "examples/onnx_without_torch.py"
    printed = run("-c", WITHOUT_TORCH, example, str(tiny_onnx), str(path))
    feature_E = np.array(printed.split(), np.float32)
    np.testing.assert_allclose(feature_E, make_encoder().encode(cloud_N3), rtol=0, atol=1e-4)
    assert len((REPOSITORY / example).read_text(encoding="utf-8").splitlines()) <= 40


def test_many_files_prints_a_row_per_number_of_workers() -> None:
    output = run("examples/benchmarks/many_files.py", "--copies", "1", "--workers", "0")
    header, row = output.splitlines()[-2:]
    assert header.split() == ["workers", "reading", "network", "encode", "ratio", "files/s"]
    assert len(row.split()) == 6 and row.split()[0] == "0"
