"""obj: Wavefront geometry; materials, textures and normals are left alone.

V vertices, F faces, P polygons of the same k corners
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.io.errors import PointCloudError
from crossjepa.io.shapes import Mesh, PointCloud, triangulate, validate_mesh, validate_points
from crossjepa.io.text import parse_numbers, parse_polygons, read_text_file

_VERTEX = re.compile(r"^[ \t]*v(?=\s)([^\n#]*)", re.MULTILINE)
_FACE = re.compile(r"^[ \t]*f(?=\s)([^\n#]*)", re.MULTILINE)
_TEXTURE_AND_NORMAL = re.compile(r"/\S*")


def read_obj(path: Path) -> PointCloud | Mesh:
    """Reads an OBJ file; without faces it is a point cloud."""
    text = read_text_file(path).replace("\\\n", " ")
    rows = _VERTEX.findall(text)
    if not rows:
        raise PointCloudError(path, "no vertices")
    vertices_V3 = parse_numbers(path, rows, lambda index: _line_of(text, index), columns=(0, 1, 2))
    if len(vertices_V3) != len(rows):
        raise PointCloudError(path, "a vertex is not three numbers")
    faces_F3 = _faces(path, text)
    if faces_F3 is None:
        return PointCloud(validate_points(vertices_V3, str(path)))
    return validate_mesh(vertices_V3, faces_F3, str(path))


def _line_of(text: str, vertex: int) -> int:
    """Returns the line number of a vertex, for errors."""
    starts = [match.start(1) for match in _VERTEX.finditer(text)]
    return text.count("\n", 0, starts[vertex]) + 1


def _faces(path: Path, text: str) -> NDArray[np.int64] | None:
    """Returns triangles with numbers from 0, or None where the file has no faces at all."""
    rows = _FACE.findall(text)
    if not rows:
        return None
    plain = "\n".join(rows)
    if "/" in plain:
        rows = _TEXTURE_AND_NORMAL.sub("", plain).split("\n")
    groups = parse_polygons(path, rows, [len(row.split()) for row in rows])
    seen_F = _vertices_before_faces(text) if "-" in plain else None
    polygons = []
    for rows_P, numbers_Pk in groups:
        corners_Pk = numbers_Pk - 1
        if seen_F is not None:
            corners_Pk = np.where(numbers_Pk < 0, numbers_Pk + seen_F[rows_P, None], corners_Pk)
        if (numbers_Pk == 0).any() or (corners_Pk < 0).any():
            wrong = rows_P[((numbers_Pk == 0) | (corners_Pk < 0)).any(axis=1)][0]
            raise PointCloudError(
                path, f"face {rows[wrong].strip()[:40]!r} refers to a vertex that does not exist"
            )
        polygons.append(corners_Pk)
    return triangulate(polygons)


def _vertices_before_faces(text: str) -> NDArray[np.int64]:
    """Returns the (F,) counts that negative vertex numbers count back from."""
    vertices = np.array([match.start() for match in _VERTEX.finditer(text)])
    faces = np.array([match.start() for match in _FACE.finditer(text)])
    return np.searchsorted(vertices, faces).astype(np.int64)
