"""The command line, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from crossjepa import CrossJEPAEncoder
from crossjepa.io import Mesh, read
from tests.conftest import SAMPLES
from tests.helpers.corpus import write_broken_files, write_mixed_meshes


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crossjepa", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def sample_meshes() -> list[Mesh]:
    shapes = [read(path) for path in sorted(SAMPLES.glob("*.obj"))]
    return [shape for shape in shapes if isinstance(shape, Mesh)]


def test_folder_to_npz(base: CrossJEPAEncoder, tmp_path: Path) -> None:
    result = run("encode", SAMPLES, "-o", tmp_path / "out.npz")
    assert result.returncode == 0, result.stderr
    files = sorted(SAMPLES.glob("*.obj"))
    with np.load(tmp_path / "out.npz") as archive:
        assert archive["files"].tolist() == [str(path) for path in files]
        np.testing.assert_allclose(archive["features"], base.encode(files), atol=1e-4)


def test_options_and_safetensors(base: CrossJEPAEncoder, tmp_path: Path) -> None:
    chair = SAMPLES / "chair.obj"
    output = tmp_path / "out.safetensors"
    result = run("encode", chair, "-o", output, "--pool", "max", "--up-axis", "z", "--batch-size", "1")
    assert result.returncode == 0, result.stderr
    np.testing.assert_allclose(
        load_file(output)["features"][0], base.encode(chair, pool="max", up_axis="z"), atol=1e-4
    )
    with safe_open(output, framework="np") as file:
        assert json.loads(file.metadata()["files"]) == [str(chair)]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_per_point(base: CrossJEPAEncoder, tmp_path: Path, suffix: str) -> None:
    chair, horse = SAMPLES / "chair.obj", SAMPLES / "horse.obj"
    output = tmp_path / f"out{suffix}"
    assert run("encode", chair, horse, "--per-point", "-o", output).returncode == 0
    arrays = dict(np.load(output)) if suffix == ".npz" else load_file(output)
    assert set(arrays) == {str(chair), str(horse)}
    np.testing.assert_allclose(arrays[str(horse)], base.encode_points(horse), atol=1e-4)


def test_bad_files_are_reported_and_the_rest_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    good = write_mixed_meshes(folder, sample_meshes() * 3)
    (folder / "broken").mkdir()
    broken = write_broken_files(folder / "broken")
    result = run("encode", folder, "-o", tmp_path / "out.npz")
    assert result.returncode == 1
    with np.load(tmp_path / "out.npz") as archive:
        assert set(archive["files"].tolist()) == {str(path) for path in good}
        assert np.isfinite(archive["features"]).all()
    assert result.stderr.count("skipped") == len(broken) == 10
    for path, word in broken.items():
        line = next(line for line in result.stderr.splitlines() if path.name in line)
        assert word in line


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("encode", "no-such.ply", "-o", "{tmp}/out.npz"), "no such file"),
        (("encode", str(SAMPLES), "-o", "{tmp}/out.txt"), "out.txt"),
        (("encode", str(SAMPLES), "-o", "{tmp}/no/out.npz"), "folder"),
        (("encode", "{tmp}", "-o", "{tmp}/out.npz"), "no point cloud"),
        (("encode", str(SAMPLES), "-o", "{tmp}/out.npz", "-m", "no-such-model"), "crossjepa-base"),
        (("encode", str(SAMPLES), "-o", "{tmp}/out.npz", "--batch-size", "0"), "batch size"),
        (("info", "no-such-model"), "no-such-model"),
    ],
)
def test_mistakes_are_explained_in_one_line(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    result = run(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert result.returncode != 0
    assert word in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_list_and_info() -> None:
    assert "crossjepa-base" in run("list").stdout
    facts = json.loads(run("info", "crossjepa-base").stdout)
    assert facts["parameters"] == 8_476_032
    assert facts["processor"]["up_axis"] == "y"
    described = json.loads(run("info", SAMPLES / "chair.obj").stdout)
    assert described["kind"] == "mesh"
    assert described["faces"] > 100
