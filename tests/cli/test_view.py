"""`crossjepa view`."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa.io import PointCloud, read
from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES

SMALL = ["--points", "50", "--size", "32", "--device", "cpu"]


def test_page_picture_and_clouds(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="pages need the extra `view`")
    (tmp_path / "bad.off").write_text("OFF\n3 1 0\n")
    page, png, ply = tmp_path / "page.html", tmp_path / "picture.png", tmp_path / "plys"
    printed = run(
        "view", SAMPLES / "chair.obj", tmp_path / "bad.off", SAMPLES / "horse.obj", "-o", page, "--png", png,
        "--ply", ply, *SMALL,
    )  # fmt: skip
    assert (printed.code, printed.out.splitlines()) == (1, [f"{each}: 2 shapes" for each in (page, png, ply)])
    assert printed.err.startswith(f"crossjepa: skipped {tmp_path}/bad.off: ")
    assert "<h1>2 shapes</h1>" in page.read_text("utf-8")
    assert png.stat().st_size > 1000
    assert sorted(path.name for path in ply.iterdir()) == ["chair.obj.ply", "horse.obj.ply"]
    one = run("view", SAMPLES / "chair.obj", "--ply", tmp_path / "chair.ply", *SMALL, "--quiet")
    assert one == (0, "", "")
    cloud = read(tmp_path / "chair.ply", color=True)
    assert isinstance(cloud, PointCloud)
    assert cloud.colors_N3 is not None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what to write"),
        (["-o", "{tmp}/page.txt"], "output must end in .html"),
        (["--png", "{tmp}/none/picture.png"], "the folder does not exist"),
        (["--png", "{tmp}/a.png", "--color", "prediction"], "no head that could predict"),
        (["--png", "{tmp}/a.png", "--size", "0"], "--size must be at least 1"),
        (["--png", "{tmp}/a.png", "--points", "0"], "points to show must be at least 1"),
        (["{chair}", "--ply", "{tmp}/a.ply"], "one PLY file for 2 files"),
    ],
)
def test_mistakes_are_explained(run: Run, tmp_path: Path, words: list[str], message: str) -> None:
    filled = [word.format(tmp=tmp_path, chair=SAMPLES / "chair.obj") for word in words]
    assert message in only_error(run("view", SAMPLES / "horse.obj", *filled))
    assert not list(tmp_path.iterdir())


def test_nothing_but_bad_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.off").write_text("OFF\n3 1 0\n")
    printed = run("view", tmp_path / "bad.off", "--png", tmp_path / "picture.png")
    assert printed.code == 2
    assert "nothing was written: none of the 1 inputs could be used" in printed.err
