"""`crossjepa search`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossjepa.index import build_index
from tests.cli.conftest import Run, only_error
from tests.helpers.search_data import GRID, SearchData, write_search_data


@pytest.fixture
def data(tmp_path: Path) -> SearchData:
    """The data, and an index of it in `index` beside the shapes."""
    pytest.importorskip("lancedb", reason="the extra `search` is not installed")
    written = write_search_data(tmp_path)
    build_index(sorted(written.shapes.iterdir()), tmp_path / "index", written.model, grid=GRID)
    return written


def test_shapes_by_a_shape_as_lines_json_and_sheet(data: SearchData, run: Run, tmp_path: Path) -> None:
    query = data.shapes / "table.obj"
    lines = run(
        "search", tmp_path / "index", "--shape", query, "--top", "2", "--sheet", tmp_path / "sheet.png"
    )
    assert lines.code == 0, lines.err
    rows = [line.split("\t") for line in lines.out.splitlines()]
    assert rows[0][1] == str(query)
    assert float(rows[0][0]) == pytest.approx(1, abs=2e-3)
    assert len(rows) == 2
    assert Image.open(tmp_path / "sheet.png").height > 200
    found = run("search", tmp_path / "index", "--shape", query, "--json", "--where", "file LIKE '%horse%'")
    assert [Path(match["file"]).name for match in found.json] == ["horse.obj"]
    assert found.json[0]["azimuth"] is None


def test_shapes_and_poses_by_a_picture(data: SearchData, run: Run, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 48, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "picture.png")
    words = ("search", tmp_path / "index", "--image", tmp_path / "picture.png", "--teacher", data.teacher)
    lines = run(*words)
    assert lines.code == 0, lines.err
    rows = [line.split("\t") for line in lines.out.splitlines()]
    assert {Path(row[1]).name for row in rows} == {"chair.obj", "horse.obj", "table.obj"}
    assert all(int(row[2]) in (0, 90, 180, 270) and row[3] == "20" for row in rows)


def test_what_makes_no_sense_is_one_line(data: SearchData, run: Run, tmp_path: Path) -> None:
    index, chair = tmp_path / "index", data.shapes / "chair.obj"
    assert "either --shape FILE or --image PICTURE" in only_error(run("search", index))
    assert "either" in only_error(run("search", index, "--shape", chair, "--image", chair))
    assert "top must be at least 1" in only_error(run("search", index, "--shape", chair, "--top", "0"))
    asked = run("search", index, "--image", chair, "--teacher", data.teacher)
    assert "no readable picture" in only_error(asked)
    assert "'color = 1' cannot be asked for" in only_error(
        run("search", index, "--shape", chair, "--where", "color = 1")
    )
