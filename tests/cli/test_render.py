"""`crossjepa render`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES

SMALL = ["--rig", "mvcnn12", "--size", "40", "--points", "64", "--device", "cpu"]


def test_good_files_are_rendered_and_bad_ones_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.off").write_text("OFF\n3 1 0\n")
    output, sheet = tmp_path / "views", tmp_path / "sheet.png"
    printed = run(
        "render", SAMPLES / "chair.obj", tmp_path / "bad.off", "-o", output, "--preview", sheet, *SMALL
    )
    assert (printed.code, printed.out) == (1, f"{output}: views of 1 files\n")
    assert printed.err.startswith(f"crossjepa: skipped {tmp_path}/bad.off: ")
    assert sheet.is_file()
    assert len(list((output / "chair").glob("*.png"))) == 12
    recipe = json.loads((output / "chair" / "views.json").read_text())["recipe"]
    assert (recipe["rig"], recipe["image_size"], recipe["stored_points"]) == ("mvcnn12", 40, 64)
    assert run("render", SAMPLES / "chair.obj", "-o", output, *SMALL, "--quiet") == (0, "", "")
    again = run("render", SAMPLES / "chair.obj", tmp_path / "bad.off", "-o", output, *SMALL, "--json")
    assert (again.code, again.json["folders"]) == (1, [str(output / "chair")])
    assert [each["file"] for each in again.json["skipped"]] == [str(tmp_path / "bad.off")]


def test_nothing_but_bad_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.off").write_text("OFF\n3 1 0\n")
    printed = run(
        "render", tmp_path / "bad.off", "-o", tmp_path / "views", "--preview", tmp_path / "sheet.png"
    )
    assert (printed.code, printed.out) == (2, "")
    assert printed.err.splitlines()[1].startswith("crossjepa: error: nothing was written")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "0"], "--size must be at least 1, not 0"),
        (["--points", "-1"], "--points must be at least 1, not -1"),
        (["--rig", "circle"], "circle"),
        (["--preview-views", "-1", "--preview", "{tmp}/sheet.png"], "--preview-views must be at least 0"),
        (["--preview", "none/sheet.png"], "none/sheet.png: the folder does not exist"),
        (["--up-axis", "w"], "invalid choice 'w' for argument '--up-axis'"),
    ],
)
def test_mistakes_are_explained(run: Run, tmp_path: Path, words: list[str], message: str) -> None:
    output = tmp_path / "views"
    filled = [word.format(tmp=tmp_path) for word in words]
    assert message in only_error(run("render", SAMPLES / "chair.obj", "-o", output, *filled))
    assert not output.exists()
