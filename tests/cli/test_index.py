"""`crossjepa index`."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa.index.table import IndexTables
from tests.cli.conftest import Run, only_error
from tests.helpers.search_data import SearchData, write_search_data

COUNTS = ("added", "changed", "unchanged", "removed")


@pytest.fixture
def data(tmp_path: Path) -> SearchData:
    pytest.importorskip("lancedb", reason="the extra `search` is not installed")
    return write_search_data(tmp_path)


def test_an_index_is_made_added_to_and_cleaned(data: SearchData, run: Run, tmp_path: Path) -> None:
    words = (
        "index",
        data.shapes,
        "-o",
        tmp_path / "index",
        "--model",
        data.model,
        "--azimuths",
        "2",
        "--json",
    )
    made = run(*words, "--elevations", "10", "30")
    assert made.code == 0, made.err
    assert [made.json[name] for name in COUNTS] == [3, 0, 0, 0]
    assert IndexTables.open(tmp_path / "index").facts.azimuths == (0.0, 180.0, 0.0, 180.0)
    (data.shapes / "broken.obj").write_text("v 1\n")
    again = run(*words, "--elevations", "10", "30")
    assert again.code == 1
    assert "skipped" in again.err
    assert [again.json[name] for name in COUNTS] == [0, 0, 3, 0]
    assert [Path(each["file"]).name for each in again.json["skipped"]] == ["broken.obj"]
    (data.shapes / "horse.obj").unlink()
    cleaned = run("index", "-o", tmp_path / "index", "--remove", data.shapes / "chair.obj", "--prune")
    assert (cleaned.code, cleaned.err) == (0, "")
    assert cleaned.out == f"{tmp_path / 'index'}: 0 added, 0 changed, 0 unchanged, 2 removed\n"


def test_what_makes_no_sense_is_one_line(data: SearchData, run: Run, tmp_path: Path) -> None:
    assert "nothing to do" in only_error(run("index", "-o", tmp_path / "index"))
    asked = run("index", data.shapes, "-o", tmp_path / "index", "--azimuths", "0")
    assert "azimuths must be from 1 to 360, not 0" in only_error(asked)
    assert "no index" in only_error(run("index", "--prune", "-o", tmp_path / "none"))
