"""off, obj and stl."""

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

SQUARE = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n"
FANS = [[0, 1, 2], [0, 2, 3]]


def test_off(tmp_path: Path) -> None:
    assert_tetrahedron(write(tmp_path, "a.off", writers.off(VERTICES, FACES)))
    assert_tetrahedron(write(tmp_path, "b.OFF", writers.off(VERTICES, FACES, glued=True)))


@pytest.mark.parametrize(
    "text",
    [
        f"OFF 4 1 0\n{SQUARE}4 0 1 2 3\n",
        f"# c\n\nOFF # c\n# c\n4 1 # c\n\n{SQUARE}\n# c\n4  0 1 2 3  255 0 0 # red\n",
        f"OFF\r\n4 3 0\r\n{SQUARE}2 0 1\n1 0\n4 0 1 2 3",
        "COFF\n4 1 0\n" + SQUARE.replace("\n", " 255 0 0 255\n") + "4 0 1 2 3 0.5 0.5 0.5\n",
        "NOFF\n4 1 0\n" + SQUARE.replace("\n", " 0 0 1\n") + "4 0 1 2 3\n",
        "STCNOFF\n4 1 0\n" + SQUARE.replace("\n", " 0 0 1 1 1 1 1 0 0\n") + "4 0 1 2 3\n",
        f"OFF\n4 2 0\n{SQUARE}3 0 1 2 1 0 0\n3 0 2 3\n",
    ],
)
def test_off_forms(tmp_path: Path, text: str) -> None:
    mesh = read_mesh(write(tmp_path, "a.off", text))
    np.testing.assert_array_equal(mesh.vertices_V3[:, :2], [[0, 0], [1, 0], [1, 1], [0, 1]])
    assert mesh.faces_F3.tolist() == FANS


def test_off_without_faces(tmp_path: Path) -> None:
    assert read_cloud(write(tmp_path, "a.off", f"OFF\n4 0 0\n{SQUARE}")).shape == (4, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"ON\n4 1 0\n{SQUARE}4 0 1 2 3\n", "does not begin with OFF"),
        (f"OFFICE\n4 1 0\n{SQUARE}4 0 1 2 3\n", "does not begin with OFF"),
        (f"4OFF\n4 1 0\n{SQUARE}4 0 1 2 3\n", "three-dimensional"),
        (f"ST4OFF\n4 1 0\n{SQUARE}4 0 1 2 3\n", "three-dimensional"),
        ("OFF BINARY\n4 1 0\n", "ASCII"),
        ("OFF\n", "ends before"),
        ("OFF\nfour 1 0\n", "expected the counts of vertices and faces"),
        ("OFF\n4\n", "expected the counts of vertices and faces"),
        ("OFF\n-4 1 0\n", "-4 vertices"),
        ("OFF\n0 1 0\n3 0 1 2\n", "no points"),
        (f"OFF\n4 2 0\n{SQUARE}4 0 1 2 3\n", "promises 4 vertices and 2 faces, but only 5 lines"),
        ("OFF\n2 1 0\n0 0 0\n\n0 zero 0\n3 0 0 0\n", "line 5: '0 zero 0'"),
        ("OFF\n1 1 0\n0 0\n3 0 0 0\n", "line 3"),
        (f"OFF\n4 1 0\n{SQUARE}4 0 1 2\n", "vertex numbers"),
        (f"OFF\n4 1 0\n{SQUARE}3 0 1 2.5\n", "vertex numbers"),
        (f"OFF\n4 1 0\n{SQUARE}3 0 1 4\n", "refers to vertices [0, 1, 4]"),
        (f"OFF\n4 1 0\n{SQUARE}3 0 1 -1\n", "refers to vertices [0, 1, -1]"),
        (f"OFF\n4 1 0\n{SQUARE}{'9' * 5000} 0 1 2\n", "line 7"),
        (f"OFF\n4 1 0\n{SQUARE}2 0 1\n", "no faces"),
        (f"OFF\n4 1 0\n{SQUARE}3 0 1 1\n", "zero area"),
    ],
)
def test_off_refusals(tmp_path: Path, text: str, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.off", text))


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
        (b"v 0 0 0\ng \xe9\n", "not UTF-8"),
    ],
)
def test_obj_refusals(tmp_path: Path, text: str | bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.obj", text))


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.obj")), ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::RuntimeWarning:trimesh.*")
def test_real_obj_files(path: Path) -> None:
    expected = trimesh.load_mesh(path, process=False, maintain_order=True, skip_materials=True)
    mesh = read_mesh(path)
    assert corners_of(mesh.vertices_V3[mesh.faces_F3]) == corners_of(np.asarray(expected.triangles))


def corners_of(triangles_F33: NDArray[np.float64]) -> list[list[list[float]]]:
    """Triangles in an order that does not depend on theirs, nor on where each begins."""
    return sorted(sorted(triangle) for triangle in triangles_F33.tolist())


@pytest.mark.parametrize(
    "content",
    [
        writers.stl_binary(VERTICES, FACES),
        writers.stl_binary(VERTICES, FACES, header=b"solid but binary"),
        writers.stl_ascii(VERTICES, FACES),
        writers.stl_ascii(VERTICES, FACES).upper() + b"\n\n\n\n\n\n\n",
        b"\xef\xbb\xbf" + writers.stl_ascii(VERTICES, FACES).replace(b"\n", b"\r\n"),
    ],
)
def test_stl(tmp_path: Path, content: bytes) -> None:
    mesh = read_mesh(write(tmp_path, "a.stl", content))
    assert mesh.vertices_V3.shape == (4, 3)
    np.testing.assert_array_equal(mesh.vertices_V3[mesh.faces_F3], VERTICES[FACES])


NAN_VERTICES = np.where(VERTICES == 3, np.nan, VERTICES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (writers.stl_binary(VERTICES, FACES)[:-1], "4 triangles do not fit"),
        (writers.stl_binary(VERTICES, FACES)[:50], "too short"),
        (writers.stl_binary(VERTICES, FACES[:0]), "no faces"),
        (writers.stl_binary(NAN_VERTICES, FACES), "3 of 12 points are not finite; the first is number 5"),
        (writers.stl_ascii(NAN_VERTICES, FACES), "3 of 12 points are not finite"),
        (writers.stl_binary(VERTICES, FACES * 0), "zero area"),
        (writers.stl_ascii(VERTICES, FACES)[:-20], "endsolid"),
        (writers.stl_ascii(VERTICES, FACES).replace(b"2.0", b"two"), "line 6"),
        (writers.stl_ascii(VERTICES, FACES).replace(b"vertex 0.5", b"vortex 0.5"), "three vertices"),
        (b"solid\nendsolid\n", "no faces"),
    ],
)
def test_stl_refusals(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.stl", content))
