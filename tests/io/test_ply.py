"""ply: ASCII and binary of either byte order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from crossjepa import PointCloudWarning
from crossjepa.io import PointCloud, read
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
    reason_of,
    write,
)

ENCODINGS = ["ascii", "binary_little_endian", "binary_big_endian"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("list_types", ["uchar int", "uchar uint", "int int", "uint ushort", "uchar uchar"])
def test_types(tmp_path: Path, encoding: str, kind: str, list_types: str) -> None:
    assert_tetrahedron(write(tmp_path, "a.ply", writers.ply(VERTICES, FACES, encoding, kind, list_types)))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_points(tmp_path: Path, encoding: str) -> None:
    np.testing.assert_array_equal(
        read_cloud(write(tmp_path, "a.PLY", writers.ply(VERTICES, None, encoding))), VERTICES
    )
    none = writers.ply(VERTICES, FACES[:0], encoding)
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "b.ply", none)), VERTICES)


def changed(old: str, new: str, encoding: str = "ascii") -> bytes:
    content = writers.ply(VERTICES, FACES, encoding)
    assert old.encode() in content
    return content.replace(old.encode(), new.encode())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"plx\n", "no PLY header"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\n", "no PLY header"),
        (changed("format ascii 1.0\n", ""), "names no format"),
        (changed("ascii 1.0", "ebcdic 1.0"), "'format ebcdic 1.0' is not understood"),
        (changed("vertex 4", "vertex four"), "'element vertex four'"),
        (changed("vertex 4", "vertex -4"), "-4 of element vertex"),
        (changed("vertex 4", "vertex 4000000000"), "4000000000 of element vertex"),
        (changed("vertex 4", "vertex 40"), "only 8 lines"),
        (changed("face 4", "face 5"), "only 4 lines"),
        (changed("element vertex", "element corner"), "no element named vertex"),
        (
            changed("vertex_indices", "normals").replace(b"list uchar int", b"list uchar float"),
            "no list vertex_indices",
        ),
        (changed("vertex 4", "vertex 0"), "line 11: '0.0 0.0 0.0'"),
        (writers.ply(VERTICES[:0], FACES[:0]), "no points"),
        (writers.ply(VERTICES[:0], FACES[:0], ENCODINGS[1]), "no points"),
        (changed("double z", "double w"), "its columns are 'x', 'y', 'w'"),
        (changed("double z", "double y"), "two of the same name"),
        (changed("double z", "quaternion z"), "not understood"),
        (changed("list uchar int", "list float int"), "not understood"),
        (changed("list uchar int", "list uchar float"), "not understood"),
        (changed("element vertex 4\n", ""), "not understood"),
        (changed("2.0", "two"), "line 13: '0.0 two 0.125'"),
        (changed("0.0 2.0 0.125", "0.0 2.0"), "line 13"),
        (changed("3 1 2 3\n", "3 1 2\n"), "line 18: '3 1 2'"),
        (changed("3 1 2 3\n", "-3 1 2 3\n"), "line 18"),
        (changed("3 1 2 3\n", f"{'9' * 5000} 1 2 3\n"), "line 18"),
        (changed("3 1 2 3\n", "3 1 2 x\n"), "vertex numbers"),
        (changed("3 1 2 3\n", "3 1 2 99\n"), "refers to vertices [1, 2, 99]"),
        (changed("3 1 2 3\n", "3 1 2 -1\n"), "refers to vertices [1, 2, -1]"),
        (changed("vertex 4", "vertex 40", ENCODINGS[1]), "need 960 bytes, 148 are left"),
        (changed("face 4", "face 5", ENCODINGS[1]), "truncated: a list of 0 entries"),
        (writers.ply(VERTICES, FACES, ENCODINGS[2])[:-1], "truncated: a list of 3 entries"),
        (writers.ply(VERTICES, FACES + 1, ENCODINGS[2]), "refers to vertices [1, 2, 4]"),
        (writers.ply(VERTICES * np.nan, FACES, ENCODINGS[1]), "none of its 4 vertices is finite"),
        (writers.ply(VERTICES, FACES * 0, ENCODINGS[1]), "zero area"),
    ],
)
def test_refusals(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.ply", content))


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian"])
@pytest.mark.parametrize("mesh", [True, False])
def test_ply_vertex_colors(tmp_path: Path, encoding: str, mesh: bool) -> None:
    shape = trimesh.Trimesh(VERTICES, FACES, process=False, vertex_colors=(255 * FOUR).astype(np.uint8))
    exported = shape if mesh else trimesh.PointCloud(VERTICES, (255 * FOUR).astype(np.uint8))  # type: ignore[no-untyped-call]
    kind = "ascii" if encoding == "ascii" else "binary"
    content = exported.export(file_type="ply", encoding=kind)
    assert isinstance(content, bytes)
    path = write(tmp_path, "a.ply", content)
    found = read(path, color=True)
    if isinstance(found, PointCloud):
        np.testing.assert_array_equal(found.colors_N3, FOUR)
        assert read(path).colors_N3 is None  # type: ignore[union-attr]
    else:
        np.testing.assert_array_equal(look(path).colors_F33, FOUR[FACES])


def test_dark_whole_numbers_of_ply_are_dark(tmp_path: Path) -> None:
    text = "ply\nformat ascii 1.0\nelement vertex 1\n" + "".join(
        f"property {kind} {name}\n"
        for kind, name in [("float", axis) for axis in "xyz"]
        + [("uchar", c) for c in ("red", "green", "blue")]
    )
    shape = read(write(tmp_path, "a.ply", text + "end_header\n0 0 0 1 0 1\n"), color=True)
    assert isinstance(shape, PointCloud)
    assert shape.colors_N3 is not None
    np.testing.assert_allclose(shape.colors_N3, np.array([[1 / 255, 0, 1 / 255]]))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_colors_stay_with_their_points(tmp_path: Path, encoding: str) -> None:
    colors = np.arange(12).reshape(4, 3) / 12
    table = np.hstack([VERTICES, colors])
    table[1, 0] = np.nan
    content = writers.ply(VERTICES, None, encoding).replace(
        b"end_header", b"property double red\nproperty double green\nproperty double blue\nend_header"
    )
    order = {"ascii": "", "binary_little_endian": "<f8", "binary_big_endian": ">f8"}[encoding]
    head = content[: content.index(b"end_header\n") + 11]
    body = table.astype(order).tobytes() if order else writers.rows(table).encode()
    with pytest.warns(PointCloudWarning, match="1 of 4"):
        cloud = read(write(tmp_path, "a.ply", head + body), color=True)
    assert isinstance(cloud, PointCloud)
    assert cloud.colors_N3 is not None
    np.testing.assert_allclose(cloud.colors_N3, colors[[0, 2, 3]], atol=1e-6)
