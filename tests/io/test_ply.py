"""ply: ASCII and binary of either byte order."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

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


HEADER = """ply
format {encoding} 1.0
comment element vertex 99, end_header
obj_info also ignored
element material 1
property uchar red
element vertex 4
property uchar quality
property double z
property float nx
property double x
property double y
element edge 1
property int vertex1
property int vertex2
element tristrips 1
property list int int vertex_indices
element face 3
property uchar flag
property list uchar float texcoord
property list uchar int {name}
property short group
end_header
"""
POLYGONS = [([0, 1, 2], []), ([0, 1, 2, 3], [0.5, 0.5]), ([1, 2, 3], [1.0])]


def every_extra(encoding: str, name: str = "vertex_index", line_end: str = "\n") -> bytes:
    head = HEADER.format(encoding=encoding, name=name).replace("\n", line_end).encode()
    if encoding == "ascii":
        lines = ["7", *(f"1 {z!r} 0 {x!r} {y!r}" for x, y, z in VERTICES.tolist()), "0 1", "4 0 1 2 3"]
        for corners, texture in POLYGONS:
            lines.append(" ".join(map(str, [0, len(texture), *texture, len(corners), *corners, 5])))
        return head + "".join(line + line_end for line in lines).encode()
    order = "<" if "little" in encoding else ">"
    body = struct.pack("B", 7)
    body += b"".join(struct.pack(order + "Bdfdd", 1, z, 0, x, y) for x, y, z in VERTICES.tolist())
    body += struct.pack(order + "2i5i", 0, 1, 4, 0, 1, 2, 3)
    for corners, texture in POLYGONS:
        body += struct.pack(f"{order}BB{len(texture)}f", 0, len(texture), *texture)
        body += struct.pack(f"{order}B{len(corners)}ih", len(corners), *corners, 5)
    return head + body


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["vertex_index", "vertex_indices"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_extra_properties_elements_and_polygons(
    tmp_path: Path, encoding: str, name: str, line_end: str
) -> None:
    mesh = read_mesh(write(tmp_path, "a.ply", every_extra(encoding, name, line_end)))
    np.testing.assert_array_equal(mesh.vertices_V3, VERTICES)
    assert sorted(mesh.faces_F3.tolist()) == [[0, 1, 2], [0, 1, 2], [0, 2, 3], [1, 2, 3]]


def test_alternating_polygons_take_linear_time(tmp_path: Path) -> None:
    faces = 60_000
    head = writers.ply(VERTICES, None, "binary_little_endian").replace(
        b"end_header", f"element face {faces}\nproperty list uchar int vertex_index\nend_header".encode()
    )
    pair = struct.pack("<B3iB4i", 3, 0, 1, 2, 4, 0, 1, 2, 3)
    assert len(read_mesh(write(tmp_path, "a.ply", head + pair * (faces // 2))).faces_F3) == faces // 2 * 3


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
        (changed("element vertex", "element vertices"), "no element named vertex"),
        (changed("vertex 4", "vertex 0"), "line 11: '0.0 0.0 0.0'"),
        (writers.ply(VERTICES[:0], FACES[:0]), "no points"),
        (writers.ply(VERTICES[:0], FACES[:0], ENCODINGS[1]), "no points"),
        (changed("double z", "double w"), "no property z"),
        (changed("double z", "double y"), "two of the same name"),
        (changed("double z", "quaternion z"), "not understood"),
        (changed("list uchar int", "list float int"), "not understood"),
        (changed("list uchar int", "list uchar float"), "not understood"),
        (changed("element vertex 4\n", ""), "not understood"),
        (changed("2.0", "two"), "line 13: '0.0 two 0.125'"),
        (changed("2.0", "nan"), "1 of 4 points are not finite; the first is number 2"),
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
        (writers.ply(VERTICES * np.nan, FACES, ENCODINGS[1]), "4 of 4 points are not finite"),
        (writers.ply(VERTICES, FACES * 0, ENCODINGS[1]), "zero area"),
    ],
)
def test_refusals(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.ply", content))


@pytest.mark.parametrize("count", [0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize("kind", ["int", "uint"])
def test_absurd_lists(tmp_path: Path, count: int, kind: str) -> None:
    content = bytearray(writers.ply(VERTICES, FACES, "binary_little_endian", list_types=f"{kind} int"))
    content[-16:-12] = struct.pack("<I", count)
    assert "truncated: a list of" in reason_of(write(tmp_path, "a.ply", bytes(content)))
