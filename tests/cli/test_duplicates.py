"""`crossjepa duplicates`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.io import Mesh, read
from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """A chair, the same chair in other units and another format, and a horse."""
    folder = tmp_path / "shapes"
    folder.mkdir()
    for name in ("chair", "horse"):
        shutil.copy(SAMPLES / f"{name}.obj", folder)
    mesh = read(SAMPLES / "chair.obj")
    assert isinstance(mesh, Mesh)
    lines = ["OFF", f"{len(mesh.vertices_V3)} {len(mesh.faces_F3)} 0"]
    lines += [" ".join(f"{value:.4f}" for value in 25.4 * vertex_3) for vertex_3 in mesh.vertices_V3]
    lines += [" ".join(map(str, (3, *face_3))) for face_3 in mesh.faces_F3.tolist()]
    (folder / "inches.off").write_text("\n".join(lines))
    return folder


def test_the_same_object_in_other_units_is_found(base: CrossJEPAEncoder, run: Run, shapes: Path) -> None:
    found = run("duplicates", shapes)
    assert found.code == 0, found.err
    rows = [line.split("\t") for line in found.out.splitlines()]
    assert [(row[0], Path(row[2]).name) for row in rows] == [("1", "chair.obj"), ("1", "inches.off")]
    (group,) = run("duplicates", shapes, "--json").json
    assert [entry["similarity"] for entry in group] == pytest.approx(
        [float(row[1]) for row in rows], abs=1e-4
    )


def test_an_index_is_asked_for_its_features(run: Run, shapes: Path, tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="the extra `search` is not installed")
    run("index", shapes, "-o", tmp_path / "index", "--no-views")
    (of_index,), (of_folder,) = (
        run("duplicates", place, "--json").json for place in (tmp_path / "index", shapes)
    )
    assert [entry["file"] for entry in of_index] == [entry["file"] for entry in of_folder]


def test_a_similarity_that_cannot_be_is_refused(run: Run, shapes: Path) -> None:
    assert "similarity must be from -1 to 1" in only_error(run("duplicates", shapes, "--similarity", "2"))
