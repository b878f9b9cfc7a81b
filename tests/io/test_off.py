"""off: all forms that are read, and why others are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers import io_writers as writers
from tests.helpers.colors import (
    FOUR,
    look,
)
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


def test_off_colors(tmp_path: Path) -> None:
    rows = [" ".join(map(repr, row)) for row in VERTICES.tolist()]
    numbers = [f"3 {a} {b} {c}" for a, b, c in FACES.tolist()]
    counts = f"{len(VERTICES)} {len(FACES)} 0\n"
    whole = [" ".join(str(int(255 * share)) for share in color) + " 255" for color in FOUR]
    body = "\n".join(f"{row} {color}" for row, color in zip(rows, whole, strict=True))
    path = write(tmp_path, "a.off", "COFF\n" + counts + body + "\n" + "\n".join(numbers))
    np.testing.assert_array_equal(look(path).colors_F33, FOUR[FACES])
    with_normals = "\n".join(f"{row} 0 0 1 {color}" for row, color in zip(rows, whole, strict=True))
    path = write(tmp_path, "b.off", "CNOFF\n" + counts + with_normals + "\n" + "\n".join(numbers))
    np.testing.assert_array_equal(look(path).colors_F33, FOUR[FACES])
    shares = [" ".join(map(str, color)) for color in FOUR.tolist()]
    painted = "\n".join(f"{face} {color}" for face, color in zip(numbers, shares, strict=True))
    path = write(tmp_path, "c.off", "OFF\n" + counts + "\n".join(rows) + "\n" + painted)
    np.testing.assert_array_equal(look(path).colors_F33[:, 0], FOUR)
