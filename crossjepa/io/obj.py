"""Reader of obj files (Wavefront); normals are ignored, and so are colors unless they are asked for.

V vertices, F faces, P polygons of the same k corners
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.appearance import Appearance
from crossjepa.io.obj_color import FACE, count_before_faces, obj_appearance
from crossjepa.io.polygons import triangulate
from crossjepa.io.shapes import Groups, Mesh, PointCloud, as_cloud, validate_mesh
from crossjepa.io.text import line_of, parse_numbers, parse_polygons, read_text_file

VERTEX = re.compile(r"^[ \t]*v(?=\s)([^\n#]*)", re.MULTILINE)
# Not after half a letter of Shift-JIS or GBK, whose second byte may be a backslash.
_CONTINUED = re.compile(r"(?<![\x80-\uffff])\\\n")
_TEXTURE_AND_NORMAL = re.compile(r"/\S*")


def read_obj(path: Path, *, color: bool = False) -> PointCloud | Mesh:
    """Reads an OBJ file: a mesh, or a point cloud if it has no faces.

    Args:
        path: the file.
        color: whether to read materials, textures and colors of vertices too.
    """
    text = _CONTINUED.sub(" ", read_text_file(path))
    rows = VERTEX.findall(text)
    if not rows:
        raise PointCloudError(path, "no vertices")
    vertices_V3 = parse_numbers(path, rows, line_of(text, VERTEX), columns=(0, 1, 2))
    if len(vertices_V3) != len(rows):
        raise PointCloudError(path, "a vertex is not three numbers")
    groups = _faces(path, text)
    if groups is None:
        return as_cloud(vertices_V3, str(path))
    triangles = triangulate(groups, vertices_V3, str(path))

    def paint(_: NDArray[np.int64]) -> Appearance | None:
        return obj_appearance(path, text, rows, triangles)

    return validate_mesh(vertices_V3, triangles.faces_F3, str(path), paint if color else None)


def _faces(path: Path, text: str) -> Groups | None:
    """Returns rows and polygons, numbered from 0, for each number of corners; None if there are no faces."""
    rows = FACE.findall(text)
    if not rows:
        return None
    plain = "\n".join(rows)
    if "/" in plain:
        rows = _TEXTURE_AND_NORMAL.sub("", plain).split("\n")
    groups = parse_polygons(path, rows, [len(row.split()) for row in rows])
    # Negative numbers of vertices count back from the face.
    seen_F = count_before_faces(text, VERTEX) if "-" in plain else None
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
        polygons.append((rows_P, corners_Pk))
    return polygons
