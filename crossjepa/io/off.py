"""off: Object File Format, also with ModelNet's glued header.

V vertices, F faces
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.io.errors import PointCloudError
from crossjepa.io.shapes import Mesh, PointCloud, check_count, triangulate, validate_mesh, validate_points
from crossjepa.io.text import parse_numbers, parse_polygons, read_text_file

_KEYWORD = re.compile(r"(ST)?C?N?(4)?OFF(?![A-Za-z_])")


def read_off(path: Path) -> PointCloud | Mesh:
    """Reads an ASCII OFF file; without faces it is a point cloud."""
    text = read_text_file(path)
    lines = text.splitlines()
    if "#" in text:
        lines = [line.split("#")[0] for line in lines]
    filled = [number for number, line in enumerate(lines) if line and not line.isspace()]
    first = lines[filled[0]].strip() if filled else ""
    keyword = _KEYWORD.match(first)
    if not keyword:
        raise PointCloudError(path, "does not begin with OFF")
    if "BINARY" in first or keyword[2]:
        raise PointCloudError(path, "only three-dimensional ASCII OFF is read")
    fields, body = first[keyword.end() :].split(), filled[1:]
    if not fields:
        if not body:
            raise PointCloudError(path, "ends before the counts of vertices and faces")
        fields, body = lines[body[0]].split(), body[1:]
    vertex_count, face_count = _counts(path, fields, len(body))
    vertices_V3 = _vertices(path, lines, body[:vertex_count])
    if face_count == 0:
        return PointCloud(validate_points(vertices_V3, str(path)))
    faces_F3 = _faces(path, lines, body[vertex_count : vertex_count + face_count])
    return validate_mesh(vertices_V3, faces_F3, str(path))


def _counts(path: Path, fields: list[str], available: int) -> tuple[int, int]:
    try:
        vertex_count, face_count = int(fields[0]), int(fields[1])
    except (ValueError, IndexError) as error:
        raise PointCloudError(
            path, f"counts of vertices and faces expected, found {' '.join(fields)!r}"
        ) from error
    check_count(vertex_count, str(path), "vertices")
    check_count(face_count, str(path), "faces")
    if vertex_count + face_count > available:
        needed = f"{vertex_count} vertices and {face_count} faces"
        raise PointCloudError(path, f"its header promises {needed}, but only {available} lines follow")
    return vertex_count, face_count


def _vertices(path: Path, lines: list[str], body: list[int]) -> NDArray[np.float64]:
    if not body:
        raise PointCloudError(path, "no points")
    table = parse_numbers(path, [lines[number] for number in body], lambda index: body[index] + 1)
    if table.shape[1] < 3:
        raise PointCloudError(path, f"line {body[0] + 1}: a vertex is three numbers, not {table.shape[1]}")
    return table[:, :3]


def _faces(path: Path, lines: list[str], body: list[int]) -> NDArray[np.int64]:
    faces = [lines[number] for number in body]
    corners = []
    for number, line in zip(body, faces, strict=True):
        count = line.split(None, 1)[0]
        # No line holds more corners than it has characters.
        if not count.isdecimal() or len(count) > 9 or not 1 <= int(count) <= len(line):
            raise PointCloudError(path, f"line {number + 1}: {line.strip()[:40]!r} is not a face")
        corners.append(int(count))
    groups = parse_polygons(path, faces, corners, start=1)
    return triangulate([polygons_Pk for _, polygons_Pk in groups])
