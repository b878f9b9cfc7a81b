"""Sheets of what a search found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from crossjepa.index import Match, write_sheet
from crossjepa.index.sheet import COLUMNS, GAP, SIDE
from crossjepa.io import Mesh, read
from tests.conftest import SAMPLES


def tile(sheet: np.ndarray, number: int) -> np.ndarray:
    """Returns the picture of a tile."""
    height = SIDE + 28 + GAP
    top, left = GAP + number // COLUMNS * height, GAP + number % COLUMNS * (SIDE + GAP)
    return sheet[top : top + SIDE, left : left + SIDE]


def drawn(picture: np.ndarray) -> float:
    """Returns the share of pixels that are not white."""
    return float((picture < 250).any(axis=2).mean())


def test_the_query_and_each_match_have_their_place(tmp_path: Path) -> None:
    chair = str(SAMPLES / "chair.obj")
    matches = [Match(chair, 0.9, {}, 0.0, 20.0), Match(chair, 0.8, {}, 90.0, 20.0), Match(chair, 0.7, {})]
    write_sheet(tmp_path / "sheet.png", [*matches, *matches], chair)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert all(0.05 < drawn(tile(sheet, number)) < 0.9 for number in range(7))
    assert drawn(tile(sheet, 7)) == 0
    assert (tile(sheet, 1) != tile(sheet, 2)).any()
    np.testing.assert_array_equal(tile(sheet, 0), tile(sheet, 3))


def test_pictures_clouds_and_files_that_are_gone(tmp_path: Path) -> None:
    Image.new("RGBA", (50, 100), (200, 0, 0, 255)).save(tmp_path / "query.png")
    horse = read(SAMPLES / "horse.obj")
    assert isinstance(horse, Mesh)
    np.save(tmp_path / "cloud.npy", horse.vertices_V3)
    matches = [Match(str(tmp_path / name), 0.5, {}) for name in ("cloud.npy", "gone.obj")]
    write_sheet(tmp_path / "sheet.png", matches, tmp_path / "query.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert (tile(sheet, 0)[SIDE // 2, SIDE // 2] == (200, 0, 0)).all()
    assert 0.02 < drawn(tile(sheet, 1)) < 0.9
    assert len(np.unique(tile(sheet, 2))) == 1


def test_the_up_axis_turns_shapes(tmp_path: Path) -> None:
    chair = str(SAMPLES / "chair.obj")
    sheets = []
    for axis in ("y", "z"):
        write_sheet(tmp_path / f"{axis}.png", [], chair, up_axis=axis)
        sheets.append(np.asarray(Image.open(tmp_path / f"{axis}.png")))
    assert (sheets[0] != sheets[1]).any()
