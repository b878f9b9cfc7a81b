"""Clouds and meshes of other libraries, told by what they have; none of these libraries is imported.

M rows, N points, V vertices, F faces
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError, what
from crossjepa.io.arrays import fields_to_rows, from_arrays
from crossjepa.io.columns import find_columns
from crossjepa.io.polygons import cut_polygons
from crossjepa.io.shapes import Mesh, PointCloud, as_cloud, validate_mesh

# What to pass instead of objects that hold several clouds, or that are no cloud themselves.
_ADVICE = {
    "Meshes": "give its meshes one by one: crossjepa.io.Mesh(verts, faces) of verts_list() and faces_list()",
    "Pointclouds": "give its clouds one by one: points_list()",
    "MultiBlock": "give blocks.combine().extract_surface()",
    "UnstructuredGrid": "give its surface: grid.extract_surface()",
    "StructuredGrid": "give its surface: grid.extract_surface()",
    "PointCloud2": "give sensor_msgs_py.point_cloud2.read_points_numpy(message, ['x', 'y', 'z'])",
    "vtkPolyData": "give pyvista.wrap(polydata)",
    "MeshSet": "give crossjepa.io.Mesh(m.vertex_matrix(), m.face_matrix()) of its current_mesh()",
    "Table": "give table.to_pandas()",
    "LazyFrame": "give frame.collect()",
    "bytes": "give the name of the file, as text",
    "BytesIO": "give the name of a file",
    "BufferedReader": "give the name of the file, as text",
}
_SINGLE = (
    "vertices", "points", "point", "pos", "xyz", "to_numpy", "geometry", "verts_list", "points_list",
    "fields", "combine",
)  # fmt: skip


def is_one_input(value: object) -> bool:
    """Whether what could be iterated over is one cloud or mesh, such as a table, and not several inputs."""
    if isinstance(value, (Mapping, bytes)):
        return True
    is_array = hasattr(value, "__array__") and len(getattr(value, "shape", (0, 0))) in (1, 3)
    return not is_array and any(_has(value, name) for name in _SINGLE)


def _has(value: object, name: str) -> bool:
    try:
        return hasattr(value, name)
    except Exception:  # it has, but computing it fails; `from_object` will say how
        return True


def from_object(value: Any, name: str) -> PointCloud | Mesh:
    """Reads a cloud or mesh of another library: Open3D, trimesh, PyVista, PyTorch Geometric, pandas, laspy.

    Args:
        value: what is neither a path nor an array; also a mapping of arrays, as in an npz file.
        name: what to call it in errors.

    Raises:
        PointCloudError: it cannot be used; the message names its type and says what to give instead.
    """
    try:
        return _from_object(value, name)
    except (PointCloudError, MemoryError):
        raise
    except Exception as error:  # whatever the objects of others raise
        raise PointCloudError(name, f"cannot be read ({what(error)}); {_instead(value)}") from error


def _from_object(value: Any, name: str) -> PointCloud | Mesh:
    kind = type(value).__name__
    if kind in _ADVICE:
        raise PointCloudError(name, f"expected one cloud or mesh, not {kind}; {_ADVICE[kind]}")
    if hasattr(value, "to_data_list"):  # PyTorch Geometric
        raise PointCloudError(name, f"{kind} holds several clouds: give batch.to_data_list()")
    if isinstance(value, Mapping):
        return from_arrays([str(key) for key in value], lambda key: to_array(value[key]), name)
    if hasattr(value, "columns") and hasattr(value, "to_numpy"):  # a table of pandas or polars
        return as_cloud(_frame_rows(value, name), name)
    if hasattr(value, "dump") and hasattr(value, "geometry"):  # a scene of trimesh
        return _join([from_object(part, name) for part in _parts(value)], name)
    if hasattr(value, "vertices"):  # trimesh and Open3D
        return _vertices_and_faces(value, name)
    if hasattr(value, "pos"):  # PyTorch Geometric, with faces in columns
        if value.pos is None:
            raise PointCloudError(name, f"this {kind} has no positions")
        face = getattr(value, "face", None)
        points = to_array(value.pos)
        return as_cloud(points, name) if face is None else validate_mesh(points, to_array(face).T, name)
    if hasattr(value, "point") and hasattr(value.point, "positions"):
        return as_cloud(to_array(value.point.positions), name)
    if hasattr(value, "vertex") and hasattr(value.vertex, "positions"):
        return validate_mesh(to_array(value.vertex.positions), to_array(value.triangle.indices), name)
    return _points_of(value, name)


def _points_of(value: Any, name: str) -> PointCloud | Mesh:
    corners = getattr(value, "mesh", None)  # pyntcloud
    if corners is not None and hasattr(corners, "columns") and hasattr(value, "xyz"):
        faces = np.stack([to_array(corners[column]) for column in ("v1", "v2", "v3")], axis=1)
        return validate_mesh(to_array(value.xyz), faces, name)
    if hasattr(value, "xyz"):  # laspy, whose points are not scaled
        return as_cloud(to_array(value.xyz), name)
    if hasattr(value, "points"):
        points = value.points
        if hasattr(points, "to_numpy"):
            return from_object(points, name)
        polygons = getattr(value, "faces", None)  # PyVista
        if polygons is not None and len(polygons):
            vertices = to_array(points)
            return validate_mesh(vertices, _vtk_triangles(to_array(polygons), vertices, name), name)
        if getattr(value, "n_strips", 0):
            raise PointCloudError(name, "it has triangle strips; give mesh.triangulate()")
        return as_cloud(to_array(points), name)
    raise PointCloudError(
        name, f"expected a path, array or tensor, not {type(value).__name__}; {_instead(value)}"
    )


def _instead(value: object) -> str:
    known = next((each for each in ("points", "vertices", "pos", "xyz") if _has(value, each)), "points")
    return f"give an (N, 3) array of its coordinates, such as numpy.asarray(x.{known})"


def _vertices_and_faces(value: Any, name: str) -> PointCloud | Mesh:
    if hasattr(value, "entities"):
        raise PointCloudError(name, f"{type(value).__name__} holds curves, not points or faces")
    faces = getattr(value, "faces", None)
    faces = getattr(value, "triangles", None) if faces is None else faces
    vertices = to_array(value.vertices)
    if faces is None or (len(faces) == 0 and hasattr(value, "triangles")):
        return as_cloud(vertices, name)
    return validate_mesh(vertices, to_array(faces), name)


def _parts(scene: Any) -> list[Any]:
    """Returns the meshes and clouds of a scene at their places."""
    found = scene.dump()
    return list(found) if isinstance(found, Iterable) else [found]


def _join(parts: list[PointCloud | Mesh], name: str) -> PointCloud | Mesh:
    meshes = [part for part in parts if isinstance(part, Mesh)]
    if not meshes and parts:
        return as_cloud(
            np.concatenate([part.points_N3 for part in parts if isinstance(part, PointCloud)]), name
        )
    if not meshes:
        raise PointCloudError(name, "the scene is empty")
    starts = np.cumsum([0, *(len(mesh.vertices_V3) for mesh in meshes)])
    faces = [mesh.faces_F3 + start for mesh, start in zip(meshes, starts[:-1], strict=True)]
    return validate_mesh(np.concatenate([mesh.vertices_V3 for mesh in meshes]), np.concatenate(faces), name)


def _vtk_triangles(faces: NDArray[np.integer], vertices: NDArray[Any], name: str) -> NDArray[np.integer]:
    """Returns (F, 3) triangles of VTK's flat list, in which every polygon follows its number of corners."""
    if faces.ndim == 2:
        return faces
    polygons: dict[int, list[NDArray[Any]]] = {}
    if len(faces) % 4 == 0 and (faces[::4] == 3).all():
        return np.asarray(faces.reshape(-1, 4)[:, 1:])
    start = 0
    while start < len(faces):
        count = int(faces[start])
        polygons.setdefault(count, []).append(faces[start + 1 : start + 1 + count])
        start += 1 + max(count, 0)
    groups = [np.stack(group).astype(np.int64) for group in polygons.values()]
    return cut_polygons(groups, vertices, name)


def _frame_rows(frame: Any, name: str) -> NDArray[np.float64]:
    names = [column if isinstance(column, str) else repr(column) for column in frame.columns]
    if names == [str(number) for number in range(len(names))] and len(names) >= 3:
        columns = [0, 1, 2]  # a table without names
    else:
        try:
            columns = find_columns(names)
        except ValueError as error:
            raise PointCloudError(name, str(error)) from error
    table = frame.iloc[:, columns] if hasattr(frame, "iloc") else frame
    cells = np.asarray(table.to_numpy())
    cells = cells if table is not frame else cells[:, columns]
    return np.array([[_cell(cell) for cell in row] for row in cells], np.float64).reshape(-1, 3)


def _cell(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        if cell is None or str(cell) in ("<NA>", "None", "NaT", "--", ""):
            return math.nan
        raise


def to_array(value: Any) -> NDArray[Any]:
    """Returns an array of numbers of an array, a tensor of any library or device, or nested lists.

    Rows that are masked become NaN, and so do those that a table of objects lacks.

    Raises:
        ValueError, TypeError: it is none, such as rows of different lengths.
    """
    if hasattr(value, "detach"):  # torch
        value = value.detach().cpu()
        value = value.double() if value.is_floating_point() else value
    elif hasattr(value, "cpu") and hasattr(value, "numpy"):  # Open3D
        value = value.cpu()
    if hasattr(value, "numpy") and not hasattr(value, "__array__"):
        value = value.numpy()
    if isinstance(value, np.ma.MaskedArray):
        if value.dtype.names:
            value = np.ma.MaskedArray(fields_to_rows(value.data, "array"), mask=False)
        value = value.astype(np.float64).filled(np.nan) if value.dtype.kind in "fiu" else value.data
    array = np.asarray(value)
    if array.dtype == object and array.ndim == 2:
        array = np.array([[_cell(cell) for cell in row] for row in array], np.float64)
    return array
