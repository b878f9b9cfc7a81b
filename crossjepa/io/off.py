"""Reader of off files (Object File Format), also with OFF and the counts glued together, as in ModelNet.

V vertices, F faces
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.appearance import Appearance, unit_colors
from crossjepa.io.polygons import Triangulation, triangulate
from crossjepa.io.shapes import Groups, Mesh, PointCloud, as_cloud, check_count, validate_mesh
from crossjepa.io.text import parse_numbers, parse_polygons, read_text_file, split_lines, without_comment

_KEYWORD = re.compile(r"(ST)?C?N?(4)?OFF(?![A-Za-z_])")


def read_off(path: Path, *, color: bool = False) -> PointCloud | Mesh:
    """Reads an ASCII OFF file: a mesh, or a point cloud if it has no faces.

    Args:
        path: the file.
        color: whether to read the colors of vertices (COFF) or faces too.
    """
    text = read_text_file(path)
    lines = split_lines(text)
    if "#" in text:
        lines = [without_comment(line) for line in lines]
    filled = [number for number, line in enumerate(lines) if line and not line.isspace()]
    first = lines[filled[0]].strip() if filled else ""
    keyword = _KEYWORD.match(first)
    if not keyword:
        raise PointCloudError(path, "does not begin with OFF")
    if "BINARY" in first or keyword[2]:
        raise PointCloudError(path, "only three-dimensional ASCII OFF files can be read")
    fields, body = first[keyword.end() :].split(), filled[1:]
    if not fields:
        if not body:
            raise PointCloudError(path, "ends before the counts of vertices and faces")
        fields, body = lines[body[0]].split(), body[1:]
    vertex_count, face_count = _counts(path, fields, len(body))
    body, face_lines = body[:vertex_count], body[vertex_count : vertex_count + face_count]
    if not body:
        raise PointCloudError(path, "no points")
    table = parse_numbers(path, [lines[number] for number in body], lambda index: body[index] + 1)
    if table.shape[1] < 3:
        raise PointCloudError(path, f"line {body[0] + 1}: a vertex needs three numbers, not {table.shape[1]}")
    first_color = 6 if "N" in keyword[0] else 3
    has_colors = color and "C" in keyword[0] and table.shape[1] >= first_color + 3
    colors_V3 = unit_colors(table[:, first_color : first_color + 3]) if has_colors else None
    vertices_V3 = table[:, :3]
    if face_count == 0:
        return as_cloud(vertices_V3, str(path), colors_V3)
    triangles = triangulate(_faces(path, lines, face_lines), vertices_V3, str(path))

    def paint(faces_F3: NDArray[np.int64]) -> Appearance | None:
        if colors_V3 is not None:
            return Appearance.of_corners(colors_V3[faces_F3])
        return _face_colors(lines, face_lines, triangles)

    return validate_mesh(vertices_V3, triangles.faces_F3, str(path), paint if color else None)


def _counts(path: Path, fields: list[str], available: int) -> tuple[int, int]:
    try:
        vertex_count, face_count = int(fields[0]), int(fields[1])
    except (ValueError, IndexError) as error:
        raise PointCloudError(
            path, f"expected the counts of vertices and faces, found {' '.join(fields)!r}"
        ) from error
    check_count(vertex_count, str(path), "vertices")
    check_count(face_count, str(path), "faces")
    if vertex_count + face_count > available:
        needed = f"{vertex_count} vertices and {face_count} faces"
        raise PointCloudError(path, f"its header promises {needed}, but only {available} lines follow")
    return vertex_count, face_count


def _face_colors(lines: list[str], body: list[int], triangles: Triangulation) -> Appearance | None:
    """Returns the colors, three or four numbers, that may follow the corners of every face."""
    fields = [lines[number].split() for number in body]
    extra = [line[1 + int(line[0]) : 4 + int(line[0])] for line in fields]
    try:
        colors_P3 = np.array(extra, np.float64)
    except ValueError:
        return None
    if colors_P3.ndim != 2 or colors_P3.shape[1] != 3:
        return None
    return Appearance.of_faces(unit_colors(colors_P3)[triangles.row_F])


def _faces(path: Path, lines: list[str], body: list[int]) -> Groups:
    faces = [lines[number] for number in body]
    corners = []
    for number, line in zip(body, faces, strict=True):
        count = line.split(None, 1)[0]
        # No line has more corners than characters.
        if not count.isdecimal() or len(count) > 9 or not 1 <= int(count) <= len(line):
            raise PointCloudError(path, f"line {number + 1}: {line.strip()[:40]!r} is not a face")
        corners.append(int(count))
    return parse_polygons(path, faces, corners, start=1)
