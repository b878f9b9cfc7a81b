"""`crossjepa map`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES

pytest.importorskip("plotly", reason="pages need the extra `view`")
pytest.importorskip("sklearn", reason="maps need the extra `view`")


def test_a_map_of_a_folder(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "map.html"
    bad = tmp_path / "bad.off"
    bad.write_text("OFF\n3 1 0\n")
    printed = run(
        "map", SAMPLES, bad, "-o", page, "--title", "Eight & <one>", "--clusters", 3, "--device", "cpu"
    )
    assert (printed.code, printed.out) == (1, f"{page}: 8 shapes by t-SNE, clusters: 3\n")
    assert printed.err.startswith(f"crossjepa: skipped {bad}: ")
    assert "<h1>Eight &amp; &lt;one&gt;</h1>" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "{tmp}/map.png"], "output must end in .html"),
        (["-o", "{tmp}/map.html", "--clusters", "9"], "9 clusters of 8 shapes"),
        ([], "missing from crossjepa map: -o"),
    ],
)
def test_mistakes_are_explained(run: Run, tmp_path: Path, words: list[str], message: str) -> None:
    filled = [word.format(tmp=tmp_path) for word in words]
    assert message in only_error(run("map", SAMPLES, *filled, "--device", "cpu"))
    assert not list(tmp_path.iterdir())
