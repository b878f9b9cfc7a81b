"""obj, stl, glb and gltf, through trimesh.

V vertices, F faces
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from crossjepa.io.errors import PointCloudError
from crossjepa.io.shapes import Mesh, PointCloud, validate_mesh, validate_points
from crossjepa.io.text import read_text_file

_STL_HEADER, _STL_FACE = 84, 50
_GLB_JSON = 0x4E4F534A


def read_obj(path: Path) -> PointCloud | Mesh:
    """Reads the geometry of a Wavefront OBJ file; materials and textures are left alone."""
    kept = ("v ", "v\t", "f ", "f\t")
    lines = [line.strip() for line in read_text_file(path).replace("\\\n", " ").splitlines()]
    geometry = [line for line in lines if line.startswith(kept)]
    if not geometry:
        raise PointCloudError(path, "no vertices and no faces")
    vertices = [line.split()[1:4] for line in geometry if line[0] == "v"]
    try:
        vertices_V3 = np.array(vertices, np.float64)
    except ValueError as error:
        raise PointCloudError(path, f"a vertex is not three numbers ({error})") from error
    if vertices_V3.ndim != 2 or vertices_V3.shape[1:] != (3,):
        raise PointCloudError(path, "a vertex is not three numbers" if len(vertices) else "no vertices")
    if len(vertices) == len(geometry):
        return PointCloud(validate_points(vertices_V3, str(path)))
    return validate_mesh(vertices_V3, _obj_faces(path, geometry), str(path))


def _obj_faces(path: Path, geometry: list[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Fans of triangles; a negative number counts back from the vertices read so far."""
    triangles: list[tuple[int, int, int]] = []
    seen = 0
    for line in geometry:
        if line[0] == "v":
            seen += 1
            continue
        try:
            numbers = [int(corner.split("/")[0]) for corner in line.split()[1:]]
        except ValueError as error:
            raise PointCloudError(path, f"face {line[:40]!r} is not understood") from error
        corners = [number - 1 if number > 0 else seen + number for number in numbers]
        if 0 in numbers or any(corner < 0 for corner in corners):
            raise PointCloudError(path, f"face {line[:40]!r} refers to a vertex that does not exist")
        triangles += [(corners[0], corners[k], corners[k + 1]) for k in range(1, len(corners) - 1)]
    try:
        return np.array(triangles, np.int64).reshape(-1, 3)
    except OverflowError as error:
        raise PointCloudError(path, "a face refers to a vertex that does not exist") from error


def read_stl(path: Path) -> Mesh:
    """Reads an STL file, ascii or binary."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_STL_HEADER)
    count = struct.unpack("<I", head[80:84])[0] if len(head) == _STL_HEADER else -1
    # Binary files may begin with "solid" too; their size tells them apart.
    if size == _STL_HEADER + _STL_FACE * count:
        content = path.read_bytes()
        faces = np.frombuffer(content, np.dtype([("f", "<f4", (4, 3)), ("a", "<u2")]), count, _STL_HEADER)
        corners = faces["f"][:, 1:].reshape(-1, 3)
    else:
        if not head.lstrip().startswith(b"solid"):
            raise PointCloudError(path, f"{count} triangles do not fit a file of {size} bytes")
        corners = _ascii_stl(path)
    if len(corners) == 0:
        raise PointCloudError(path, "no faces")
    vertices_V3, numbers = np.unique(corners, axis=0, return_inverse=True)
    return validate_mesh(vertices_V3, numbers.reshape(-1, 3), str(path))


def _ascii_stl(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    lines = read_text_file(path).splitlines()
    rows = [line.split()[1:] for line in lines if line.lstrip().startswith("vertex")]
    if not any(line.lstrip().startswith("endsolid") for line in lines[-5:]):
        raise PointCloudError(path, "truncated: no endsolid at the end")
    try:
        corners = np.array(rows, np.float64).reshape(len(rows), -1)
    except ValueError as error:
        raise PointCloudError(path, f"a vertex is not three numbers ({error})") from error
    if len(rows) % 3 or (len(rows) and corners.shape[1] != 3):
        raise PointCloudError(path, "a facet does not have three vertices of three numbers")
    return corners


def read_gltf(path: Path) -> PointCloud | Mesh:
    """Reads a glTF file, text or binary, with the transforms of its scene applied."""
    _check_gltf(path)
    import trimesh

    try:
        scene = trimesh.load_scene(path, process=False, skip_materials=True)
        meshes = [part for part in scene.dump() if isinstance(part, trimesh.Trimesh) and len(part.faces)]
        clouds = [
            part for part in scene.dump() if isinstance(part, trimesh.PointCloud) and len(part.vertices)
        ]
        if meshes:
            for part in meshes:
                validate_mesh(np.asarray(part.vertices), np.asarray(part.faces), str(path))
            starts = np.cumsum([0, *(len(part.vertices) for part in meshes)])
            faces = [np.asarray(part.faces) + start for part, start in zip(meshes, starts, strict=False)]
            vertices = [np.asarray(part.vertices) for part in meshes]
            return validate_mesh(np.concatenate(vertices), np.concatenate(faces), str(path))
        if clouds:
            points = np.concatenate([np.asarray(part.vertices) for part in clouds])
            return PointCloud(validate_points(points, str(path)))
    except PointCloudError:
        raise
    except Exception as error:  # the loader raises whatever a damaged file makes its parts raise
        raise PointCloudError(path, f"not a readable glTF file ({type(error).__name__}: {error})") from error
    raise PointCloudError(path, "no meshes and no points")


def _check_gltf(path: Path) -> None:
    """Compares lengths with the file, and refuses addresses and files outside the folder."""
    content = path.read_bytes()
    if path.suffix.lower() == ".glb":
        if len(content) < 20 or content[:4] != b"glTF":
            raise PointCloudError(path, "has no glTF header")
        length, json_length, json_kind = struct.unpack("<8xIII", content[:20])
        if length != len(content) or json_kind != _GLB_JSON or 20 + json_length > len(content):
            raise PointCloudError(
                path, f"truncated: its header promises {length} bytes, it has {len(content)}"
            )
        content = content[20 : 20 + json_length]
    try:
        tree = json.loads(content)
        buffers, accessors = tree.get("buffers", []), tree.get("accessors", [])
        uris = [item["uri"] for item in [*buffers, *tree.get("images", [])] if "uri" in item]
        largest = max((int(item.get("count", 0)) for item in accessors), default=0)
        total = sum(int(item.get("byteLength", 0)) for item in buffers)
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
        raise PointCloudError(path, f"not readable glTF ({error})") from error
    if largest < 0 or largest > total:
        raise PointCloudError(path, f"an accessor counts {largest} entries, the buffers hold {total} bytes")
    for uri in uris:
        if isinstance(uri, str) and uri.startswith("data:"):
            continue
        target = (path.parent / unquote(str(uri))).resolve()
        if "://" in str(uri) or not target.is_relative_to(path.parent.resolve()):
            raise PointCloudError(
                path, f"refers to {str(uri)[:60]!r} outside its folder, which is never read"
            )
