"""stl: ASCII and binary, and why files are refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa import PointCloudWarning
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


def with_count(count: int) -> bytes:
    content = writers.stl_binary(VERTICES, FACES)
    return content[:80] + struct.pack("<I", count) + content[84:]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (writers.stl_binary(VERTICES, FACES)[:-1], "4 triangles do not fit"),
        (writers.stl_binary(VERTICES, FACES)[:50], "too short"),
        (writers.stl_binary(VERTICES, FACES[:0]), "no faces"),
        (writers.stl_binary(VERTICES * np.nan, FACES), "none of its 4 triangles is finite"),
        (writers.stl_ascii(VERTICES * np.nan, FACES), "none of its 4 triangles is finite"),
        (bytes(34), "too short"),
        (with_count(7), "7 triangles do not fit"),
        (writers.stl_binary(VERTICES, FACES * 0), "zero area"),
        (writers.stl_ascii(VERTICES, FACES)[:-20], "endsolid"),
        (writers.stl_ascii(VERTICES, FACES).replace(b"2.0", b"two"), "line 6"),
        (writers.stl_ascii(VERTICES, FACES).replace(b"vertex 0.5", b"vortex 0.5"), "three vertices"),
        (b"solid\nendsolid\n", "no faces"),
    ],
)
def test_stl_refusals(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.stl", content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (writers.stl_binary(VERTICES, FACES) + b"\r\n", "2 bytes after its triangles were ignored"),
        (writers.stl_binary(VERTICES, FACES) + bytes(51), "51 bytes after its triangles were ignored"),
        (writers.stl_binary(VERTICES, FACES, header=b"solid of a CAD") + b"\r\n", "2 bytes after"),
        (with_count(0), "promises 0 triangles, but 4 follow; all are used"),
        (with_count(3), "promises 3 triangles, but 4 follow"),
        (with_count(5), "promises 5 triangles, but 4 follow"),
        (with_count(0xFFFFFFFF), "promises 4294967295 triangles, but 4 follow"),
    ],
)
def test_wrong_counts_and_bytes_at_the_end(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.warns(PointCloudWarning, match=words):
        mesh = read_mesh(write(tmp_path, "a.stl", content))
    np.testing.assert_array_equal(mesh.vertices_V3[mesh.faces_F3], VERTICES[FACES])


@pytest.mark.parametrize(
    "end",
    [
        "end solid shape\n",
        "ENDSOLID\n",
        "endsolid\n# made by a test\n",
        "endsolid\0\0\0",
        "End Solid a\n\n  comment",
    ],
)
def test_ends_of_ascii_files(tmp_path: Path, end: str) -> None:
    content = writers.stl_ascii(VERTICES, FACES).decode().replace("endsolid shape\n", end)
    mesh = read_mesh(write(tmp_path, "a.stl", content))
    np.testing.assert_array_equal(mesh.vertices_V3[mesh.faces_F3], VERTICES[FACES])


def test_several_solids_in_one_file(tmp_path: Path) -> None:
    content = writers.stl_ascii(VERTICES, FACES[:2]) + writers.stl_ascii(VERTICES, FACES[2:])
    mesh = read_mesh(write(tmp_path, "a.stl", content))
    np.testing.assert_array_equal(mesh.vertices_V3[mesh.faces_F3], VERTICES[FACES])


@pytest.mark.parametrize("writer", [writers.stl_binary, writers.stl_ascii])
def test_triangles_that_are_not_finite_are_left_out(
    tmp_path: Path, writer: Callable[[NDArray[np.float64], NDArray[np.int64]], bytes]
) -> None:
    path = write(tmp_path, "a.stl", writer(np.where(VERTICES == 3, np.nan, VERTICES), FACES))
    with pytest.warns(PointCloudWarning, match="3 of 4 triangles are not finite and were left out"):
        mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices_V3[mesh.faces_F3], VERTICES[FACES[:1]])
