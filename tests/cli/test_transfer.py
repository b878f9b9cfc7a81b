"""`crossjepa transfer`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from crossjepa import CrossJEPAEncoder
from crossjepa.io import Mesh, read
from crossjepa.part_transfer import PartTransfer
from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES

CHAIR = SAMPLES / "chair.obj"


def write_parts(path: Path) -> Path:
    chair = read(CHAIR)
    assert isinstance(chair, Mesh)
    height_V = chair.vertices_V3[:, 1]
    np.save(path, (height_V < height_V.mean()).astype(np.int64))
    return path


def test_parts_are_those_of_the_python_class(base: CrossJEPAEncoder, run: Run, tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts.npy")
    (tmp_path / "shapes").mkdir()
    for name in ("chair", "folding_chair"):
        shutil.copy(SAMPLES / f"{name}.obj", tmp_path / "shapes")
    words = ("--shape", CHAIR, "--parts", parts, "-o", tmp_path / "out.npz")
    result = run("transfer", tmp_path / "shapes", *words)
    assert result.code == 0, result.err
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert {row[0] for row in rows} == {str(path) for path in (tmp_path / "shapes").iterdir()}
    expected_V = PartTransfer(base, [CHAIR], [np.load(parts)]).predict(SAMPLES / "folding_chair.obj")
    with np.load(tmp_path / "out.npz") as archive:
        np.testing.assert_array_equal(archive[str(tmp_path / "shapes" / "folding_chair.obj")], expected_V)


def test_what_makes_no_sense_is_one_line(run: Run, tmp_path: Path) -> None:
    parts, out = write_parts(tmp_path / "parts.npy"), tmp_path / "out.npz"
    asked = run("transfer", CHAIR, "--shape", CHAIR, "--parts", parts, "--parts", parts, "-o", out)
    assert "give --parts as often as --shape, not 2 and 1 times" in only_error(asked)
    np.save(tmp_path / "floats.npy", np.zeros(4))
    asked = run("transfer", CHAIR, "--shape", CHAIR, "--parts", tmp_path / "floats.npy", "-o", out)
    assert only_error(asked).endswith("floats.npy: does not hold one whole number per point")
    asked = run("transfer", CHAIR, "--shape", CHAIR, "--parts", CHAIR, "-o", out)
    assert "no readable .npy file of parts" in only_error(asked)
