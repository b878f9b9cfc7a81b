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
    assert_tetrahedron,
    read_cloud,
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


def cloud_of_any_types(encoding: str, lists: bool = False) -> bytes:
    """VERTICES in capitals, among a stamp, a flag and, if wanted, lists of views of different lengths."""
    head = f"ply\nformat {encoding} 1.0\ncomment \u00c5ngstr\u00f6m\n"
    content = f"{head}element vertex {len(VERTICES)}\nproperty int64 stamp\n".encode()
    views = b"property list uchar uint view_indices\n" if lists else b""
    content += (
        b"property double X\nproperty bool valid\n"
        + views
        + b"property double Y\n"
        + views.replace(b"view_indices", b"visibility")
    )
    content += b"property double Z\nproperty uint64 id\nend_header\n"
    order = "<" if "little" in encoding else ">"
    for row, (x, y, z) in enumerate(VERTICES.tolist()):
        seen = list(range(row)) if lists else []
        if encoding == "ascii":
            counted = [row, *seen] if lists else []
            numbers = [1 << 60, repr(x), 1, *counted, repr(y), *counted, repr(z), 7]
            content += (" ".join(map(str, numbers)) + "\n").encode()
        else:
            counted_bytes = struct.pack(f"{order}B{row}I", row, *seen) if lists else b""
            content += struct.pack(order + "qdB", 1 << 60, x, 1) + counted_bytes
            content += struct.pack(order + "d", y) + counted_bytes + struct.pack(order + "dQ", z, 7)
    return content


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("lists", [False, True])
def test_capitals_lists_in_vertices_and_unusual_types(tmp_path: Path, encoding: str, lists: bool) -> None:
    path = write(tmp_path, "a.ply", cloud_of_any_types(encoding, lists))
    np.testing.assert_array_equal(read_cloud(path), VERTICES)


@pytest.mark.parametrize("encoding", ENCODINGS[1:])
def test_truncated_lists_in_vertices(tmp_path: Path, encoding: str) -> None:
    content = cloud_of_any_types(encoding, lists=True)
    for end in range(len(content) - 1, len(content) - 60, -7):
        assert "truncated" in reason_of(write(tmp_path, "a.ply", content[:end]))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["vertices", "vertex_ids", "corners", "Vertex_Indices"])
def test_faces_under_other_names(tmp_path: Path, encoding: str, name: str) -> None:
    content = writers.ply(VERTICES, FACES, encoding).replace(b"vertex_indices", name.encode())
    assert_tetrahedron(write(tmp_path, "a.ply", content.replace(b"element face", b"element Triangles")))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("rows", [1, 2])
def test_triangle_strips(tmp_path: Path, encoding: str, rows: int) -> None:
    # Strips with -1 between them; the last repeats a vertex, as strips do to go on elsewhere.
    corners = [0, 1, 2, 3, -1, 1, 2, 3, -1, 3, 0, 1, 1]
    head = f"element tristrips {rows}\nproperty list int int vertex_indices\nend_header\n".encode()
    content = writers.ply(VERTICES, None, encoding).replace(b"end_header\n", head)
    if encoding == "ascii":
        content += (" ".join(map(str, [len(corners), *corners])) + "\n").encode() * rows
    else:
        order = "<" if "little" in encoding else ">"
        content += struct.pack(f"{order}{len(corners) + 1}i", len(corners), *corners) * rows
    mesh = read_mesh(write(tmp_path, "a.ply", content))
    assert mesh.faces_F3.tolist() == [[0, 1, 2], [2, 1, 3], [1, 2, 3], [3, 0, 1]] * rows


def test_one_of_several_lists_of_integers_is_called_as_usual(tmp_path: Path) -> None:
    lines = writers.ply(VERTICES, FACES).decode().replace("vertex_indices", "vertexIndices").splitlines()
    lines = [f"2 9 9 {line} 1 7" if line.startswith("3 ") else line for line in lines]
    face = next(index for index, line in enumerate(lines) if "vertexIndices" in line)
    lines.insert(face + 1, "property list uchar int tags")
    lines.insert(face, "property list uchar int views")
    assert_tetrahedron(write(tmp_path, "b.ply", "\n".join(lines) + "\n"))


def test_faces_that_are_not_understood_are_no_cloud(tmp_path: Path) -> None:
    text = writers.ply(VERTICES, FACES).decode()
    text = text.replace(
        "property list uchar int vertex_indices", "property int a\nproperty int b\nproperty int c"
    )
    assert "has no list vertex_indices" in reason_of(write(tmp_path, "a.ply", text.replace("\n3 ", "\n")))
