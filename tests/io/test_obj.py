"""obj: all forms that are read, real files as trimesh reads them, and why others are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from tests.conftest import SAMPLES
from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import (
    FACES,
    VERTICES,
    assert_tetrahedron,
    read_cloud,
    read_mesh,
    reason_of,
    write,
)

FANS = [[0, 1, 2], [0, 2, 3]]
OBJ_SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


@pytest.mark.parametrize(
    "text",
    [
        OBJ_SQUARE + "f 1 2 3 4\n",
        OBJ_SQUARE + "f -4 -3 -2 -1\n",
        "f 1 2 3 4\n" + OBJ_SQUARE,
        OBJ_SQUARE[:16] + "f -2 -1 3 4\n" + OBJ_SQUARE[16:],
        "mtllib no.mtl\nvt 0 0\nvn 0 0 1\n"
        + OBJ_SQUARE
        + "g a\nusemtl m\ns 1\nf 1/1/1 2/1/1 3/1/1\nf 1//1 3//1 4/1\n",
        "\ufeff# c\r\n" + OBJ_SQUARE.replace("\n", " 1 # c\r\n") + "f 1 2 \\\r\n 3 4 # c\r\nl 1 2\r\np 1\r\n",
        "v 0 0 0 0.5 0.5 0.5\n\tv\t1 0 0\n  v 1 1 0\nv 0 1 0\n f\t1 2 3\n\nf 1 3 4\n",
    ],
)
def test_obj_forms(tmp_path: Path, text: str) -> None:
    mesh = read_mesh(write(tmp_path, "a.obj", text))
    np.testing.assert_array_equal(mesh.vertices_V3, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    assert mesh.faces_F3.tolist() == FANS


def test_obj(tmp_path: Path) -> None:
    assert_tetrahedron(write(tmp_path, "a.obj", writers.obj(VERTICES, FACES)))
    assert read_cloud(write(tmp_path, "b.obj", OBJ_SQUARE)).shape == (4, 3)


def test_obj_mixed_polygons_and_directions(tmp_path: Path) -> None:
    mesh = read_mesh(write(tmp_path, "a.obj", OBJ_SQUARE + "f 1 2 3 4\nf -4 2 3\nf 1 3 -1 2\n"))
    assert sorted(mesh.faces_F3.tolist()) == sorted([[0, 1, 2], *FANS, [0, 2, 3], [0, 3, 1]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("g nothing\n", "no vertices"),
        ("f 1 2 3\n", "no vertices"),
        ("v 0 0 0\n\nv 1 x 0\n", "line 3"),
        ("v 0 0 0\nv 1 0\n", "line 2: 2 numbers, expected 3"),
        ("v 0 0 0\nv\nv 1 1 1\n", "not three numbers"),
        (OBJ_SQUARE + "f 1 2 9\n", "refers to vertices [0, 1, 8]"),
        (OBJ_SQUARE + "f 1 2 0\n", "'1 2 0' refers to a vertex that does not exist"),
        (OBJ_SQUARE + "f 1 2 -5\n", "'1 2 -5' refers to a vertex that does not exist"),
        (OBJ_SQUARE[:8] + "f -1 -2 1\n" + OBJ_SQUARE[8:], "'-1 -2 1' refers to a vertex"),
        (OBJ_SQUARE + "f 1 2 three\n", "vertex numbers"),
        (OBJ_SQUARE + "f 1 2 99999999999999999999\n", "vertex numbers"),
        (OBJ_SQUARE + "f\n", "no faces"),
        (OBJ_SQUARE + "f 1 2\n", "no faces"),
        (OBJ_SQUARE + "f 1 2 2\n", "zero area"),
        (b"v 0 0 0\0\0\n", "zero bytes"),
    ],
)
def test_obj_refusals(tmp_path: Path, text: str | bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.obj", text))


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.obj")), ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::RuntimeWarning:trimesh.*")
def test_real_obj_files(path: Path) -> None:
    expected = trimesh.load_mesh(path, process=False, maintain_order=True, skip_materials=True)
    mesh = read_mesh(path)
    ours, theirs = (
        {tuple(map(tuple, corners)) for corners in corners_of(triangles)}
        for triangles in (mesh.vertices_V3[mesh.faces_F3], np.asarray(expected.triangles))
    )
    # trimesh makes fans of concave polygons as well, of which few of these files have any.
    assert len(mesh.faces_F3) == len(expected.triangles)
    assert len(ours & theirs) >= 0.97 * len(theirs)


def corners_of(triangles_F33: NDArray[np.float64]) -> list[list[list[float]]]:
    """Triangles in an order that does not depend on theirs, nor on where each begins."""
    return sorted(sorted(triangle) for triangle in triangles_F33.tolist())
