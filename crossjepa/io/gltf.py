"""Reader of gltf and glb files: the meshes of a glTF 2.0 scene or, if it has none, its points.

No URL is ever opened, and images only if colors are asked for.

V vertices, F faces, N points
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.appearance import Appearance
from crossjepa.io.gltf_buffers import Tree, check_uncompressed, open_tree, read_accessor
from crossjepa.io.gltf_color import Painter
from crossjepa.io.gltf_scene import placed_primitives
from crossjepa.io.polygons import strip_triangles
from crossjepa.io.shapes import Mesh, PointCloud, as_cloud, check_count, validate_mesh

_POINTS, _TRIANGLES, _STRIP, _FAN = 0, 4, 5, 6


def read_gltf(path: Path, *, color: bool = False) -> PointCloud | Mesh:
    """Reads a text or binary glTF file: its default scene, as its nodes, skins, instances and morph weights
    make it, at rest.

    Args:
        path: the file.
        color: whether to read materials, textures and colors of vertices too.
    """
    vertices: list[NDArray[np.float64]] = []
    faces: list[NDArray[np.int64]] = []
    points: list[NDArray[np.float64]] = []
    parts: list[Appearance] = []
    vertex_count = face_count = point_count = 0
    triangles: dict[int, NDArray[np.int64]] = {}  # of each primitive, which many nodes may place
    try:
        tree = open_tree(path)
        painter = Painter(tree) if color else None
        for placed in placed_primitives(tree):
            primitive = placed.primitive
            mode = primitive.get("mode", _TRIANGLES)
            # The specification says to skip primitives without positions.
            if mode not in (_POINTS, _TRIANGLES, _STRIP, _FAN) or "POSITION" not in primitive["attributes"]:
                continue
            check_uncompressed(tree, primitive)
            positions_IV3 = placed.positions(tree)
            if mode == _POINTS:
                points.append(positions_IV3.reshape(-1, 3))
                point_count += len(points[-1])
            else:
                if id(primitive) not in triangles:
                    triangles[id(primitive)] = _faces(
                        tree, primitive, mode, positions_IV3.shape[1], str(path)
                    )
                faces_F3 = triangles[id(primitive)]
                appearance = painter.paint(primitive, faces_F3) if painter else None
                for positions_V3 in positions_IV3:
                    check_count(face_count + len(faces_F3), str(path), "faces")
                    faces.append(faces_F3 + vertex_count)
                    vertices.append(positions_V3)
                    vertex_count += len(positions_V3)
                    face_count += len(faces_F3)
                    parts += [appearance] if appearance else []
            check_count(vertex_count + point_count, str(path))
    except PointCloudError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise PointCloudError(path, f"not readable glTF ({error})") from error
    if face_count:
        paint = (lambda _: painter.finished(parts)) if painter else None
        return validate_mesh(np.concatenate(vertices), np.concatenate(faces), str(path), paint)
    if points:
        return as_cloud(np.concatenate(points), str(path))
    raise PointCloudError(path, "has no meshes and no points")


def _faces(
    tree: Tree, primitive: dict[str, Any], mode: int, vertex_count: int, source: str
) -> NDArray[np.int64]:
    """Returns (F, 3) triangles; every other one of a strip is turned around."""
    if "indices" in primitive:
        corners = read_accessor(tree, primitive["indices"])
        if corners.shape[1] != 1 or corners.dtype.kind not in "iu":
            raise ValueError("the indices of a mesh are not integers")
        corners = corners[:, 0].astype(np.int64)
    else:
        corners = np.arange(vertex_count)
    if len(corners) and not 0 <= corners.min() <= corners.max() < vertex_count:
        wrong = corners[(corners < 0) | (corners >= vertex_count)][0]
        raise PointCloudError(source, f"a face refers to vertex {wrong}, but there are {vertex_count}")
    if mode == _TRIANGLES:
        if len(corners) % 3:
            raise ValueError(f"{len(corners)} corners are not a multiple of 3")
        return corners.reshape(-1, 3)
    if mode == _FAN:
        return np.stack([np.full(max(len(corners) - 2, 0), corners[:1]), corners[1:-1], corners[2:]], axis=1)
    return strip_triangles(corners)
