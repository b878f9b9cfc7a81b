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
from crossjepa.io.text import parse_numbers, read_text_file

_KEYWORD = re.compile(r"^(ST)?(C)?(N)?(4)?OFF\b|^(ST)?(C)?(N)?OFF(?=[\d\s-])")


def read_off(path: Path) -> PointCloud | Mesh:
    """Reads an ASCII OFF file; without faces it is a point cloud."""
    lines = [line.split("#")[0].strip() for line in read_text_file(path).splitlines()]
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line]
    if not numbered or not _KEYWORD.match(numbered[0][1]):
        raise PointCloudError(path, "does not begin with OFF")
    if "BINARY" in numbered[0][1] or numbered[0][1].startswith("4"):
        raise PointCloudError(path, "only three-dimensional ASCII OFF is read")
    counts = _KEYWORD.sub("", numbered[0][1]).split()
    body = numbered[1:]
    if not counts:
        if not body:
            raise PointCloudError(path, "ends before the counts of vertices and faces")
        counts, body = body[0][1].split(), body[1:]
    vertex_count, face_count = _counts(path, counts, len(body))
    vertices_V3 = _vertices(path, body[:vertex_count], vertex_count)
    if face_count == 0:
        return PointCloud(validate_points(vertices_V3, str(path)))
    faces = _faces(path, body[vertex_count : vertex_count + face_count])
    return validate_mesh(vertices_V3, faces, str(path))


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


def _vertices(path: Path, body: list[tuple[int, str]], count: int) -> NDArray[np.float64]:
    if count == 0:
        raise PointCloudError(path, "no points")
    table = parse_numbers(path, [line for _, line in body], body[0][0])
    if len(table) != count or table.shape[1] < 3:
        raise PointCloudError(path, f"expected {count} vertices of three numbers, found {table.shape}")
    return np.asarray(table[:, :3])


def _faces(path: Path, body: list[tuple[int, str]]) -> NDArray[np.int64]:
    by_corners: dict[int, list[list[str]]] = {}
    for number, line in body:
        fields = line.split()
        corners = int(fields[0]) if fields[0].isdecimal() else -1
        if corners < 1 or len(fields) <= corners:
            raise PointCloudError(path, f"line {number}: {line[:40]!r} is not a face")
        by_corners.setdefault(corners, []).append(fields[1 : corners + 1])
    try:
        return triangulate([np.array(rows, np.int64) for rows in by_corners.values()])
    except (ValueError, OverflowError) as error:
        raise PointCloudError(
            path, f"a face holds something that is not a vertex number ({error})"
        ) from error
