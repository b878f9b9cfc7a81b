"""Reader of gltf and glb files: the meshes of a glTF 2.0 scene or, if it has none, its points.

No URL is ever opened, and images only if colors are asked for.

V vertices, F faces, N points
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.appearance import Appearance
from crossjepa.io.gltf_buffers import Tree, item, open_tree, read_accessor
from crossjepa.io.gltf_color import Painter
from crossjepa.io.shapes import Mesh, PointCloud, as_cloud, check_count, validate_mesh

_POINTS, _TRIANGLES, _STRIP, _FAN = 0, 4, 5, 6


def read_gltf(path: Path, *, color: bool = False) -> PointCloud | Mesh:
    """Reads a text or binary glTF file, with the transforms of its scene applied.

    Args:
        path: the file.
        color: whether to read materials, textures and colors of vertices too.
    """
    vertices: list[NDArray[np.float64]] = []
    faces: list[NDArray[np.int64]] = []
    points: list[NDArray[np.float64]] = []
    parts: list[Appearance] = []
    vertex_count = face_count = 0
    try:
        tree = open_tree(path)
        painter = Painter(tree) if color else None
        for primitive, matrix_44 in _primitives(tree):
            mode = primitive.get("mode", _TRIANGLES)
            if mode not in (_POINTS, _TRIANGLES, _STRIP, _FAN):
                continue
            positions = read_accessor(tree, primitive["attributes"]["POSITION"])
            if positions.shape[1] != 3:
                raise ValueError(f"positions have {positions.shape[1]} components instead of 3")
            with np.errstate(all="ignore"):
                vertices_V3 = positions @ matrix_44[:3, :3].T + matrix_44[:3, 3]
            if mode == _POINTS:
                points.append(vertices_V3)
            else:
                faces_F3 = _faces(tree, primitive, mode, len(vertices_V3), str(path))
                faces.append(faces_F3 + vertex_count)
                vertices.append(vertices_V3)
                vertex_count += len(vertices_V3)
                face_count += len(faces_F3)
                if painter:
                    parts.append(painter.paint(primitive, faces_F3))
            # A scene may repeat a mesh many times, so a small file can ask for very much.
            check_count(vertex_count + sum(map(len, points)), str(path))
            check_count(face_count, str(path), "faces")
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


def _primitives(tree: Tree) -> Iterator[tuple[dict[str, Any], NDArray[np.float64]]]:
    """Walks over the scene; yields each primitive with the (4, 4) matrix that places it."""
    waiting = [(index, np.eye(4)) for index in _roots(tree)]
    seen: set[int] = set()
    while waiting:
        index, parent_44 = waiting.pop()
        node = item(tree, "nodes", index)
        if index in seen:
            raise ValueError(f"node {index} has two parents")
        seen.add(index)
        with np.errstate(all="ignore"):
            matrix_44 = parent_44 @ _matrix(node)
        waiting += [(child, matrix_44) for child in reversed(node.get("children", []))]
        if "mesh" in node:
            for primitive in item(tree, "meshes", node["mesh"])["primitives"]:
                yield primitive, matrix_44


def _roots(tree: Tree) -> list[int]:
    if tree.json.get("scenes"):
        return list(reversed(item(tree, "scenes", tree.json.get("scene", 0)).get("nodes", [])))
    nodes = tree.json.get("nodes", [])
    children = {child for node in nodes for child in node.get("children", [])}
    return [index for index in reversed(range(len(nodes))) if index not in children]


def _matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    """Returns the (4, 4) transform of a node: its matrix, or its translation, rotation and scale."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), np.float64)
    matrix_44 = np.eye(4)
    matrix_44[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix_44[:3, :3] *= np.array(node.get("scale", (1, 1, 1)), np.float64).reshape(1, 3)
    matrix_44[:3, 3] = np.array(node.get("translation", (0, 0, 0)), np.float64).reshape(3)
    return matrix_44


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
    strip_F3 = np.stack([corners[:-2], corners[1:-1], corners[2:]], axis=1)
    strip_F3[1::2] = strip_F3[1::2, [1, 0, 2]]
    return strip_F3
