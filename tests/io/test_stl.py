"""stl: ASCII and binary, and why files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import FACES, VERTICES, read_mesh, reason_of, write


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
