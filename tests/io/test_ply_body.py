"""The values of a ply file: lists, polygons, and counts that cannot be."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import (
    FACES,
    VERTICES,
    read_mesh,
    reason_of,
    write,
)

ENCODINGS = ["ascii", "binary_little_endian", "binary_big_endian"]


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


@pytest.mark.parametrize("count", [0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize("kind", ["int", "uint"])
def test_absurd_lists(tmp_path: Path, count: int, kind: str) -> None:
    content = bytearray(writers.ply(VERTICES, FACES, "binary_little_endian", list_types=f"{kind} int"))
    content[-16:-12] = struct.pack("<I", count)
    assert "truncated: a list of" in reason_of(write(tmp_path, "a.ply", bytes(content)))
