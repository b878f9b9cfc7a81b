"""The notebooks run from their first cell to their last, in one process without Jupyter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY, SAMPLES

NOTEBOOKS = sorted((REPOSITORY / "examples" / "notebooks").glob("*.ipynb"))


def cells(notebook: Path) -> list[dict[str, Any]]:
    """Returns the cells of code."""
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder of notebooks, with the files that they read beside it."""
    shutil.copytree(SAMPLES, tmp_path / "files")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path / "notebooks"


@pytest.mark.slow
@pytest.mark.parametrize("notebook", [pytest.param(path, id=path.stem) for path in NOTEBOOKS])
def test_notebook(notebook: Path, folder: Path) -> None:
    pytest.importorskip("lancedb", reason="the extra `search` is not installed")
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells(notebook)):
        exec(compile("".join(cell["source"]), f"{notebook.name}, cell {number}", "exec"), names)
    assert names["matches"][0].file.endswith("chair.obj")
    assert (folder / "found.png").is_file()
    assert names["features"].shape == (8, 576)


@pytest.mark.parametrize("notebook", [pytest.param(path, id=path.stem) for path in NOTEBOOKS])
def test_notebooks_are_stored_without_outputs(notebook: Path) -> None:
    assert cells(notebook)
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells(notebook))
