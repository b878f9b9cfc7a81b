"""Readers of npy and npz files, and of the same arrays in memory.

M rows, N points, V vertices, F faces
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.columns import find_columns
from crossjepa.io.content import MAX_COMPRESSION, SMALL, read_content
from crossjepa.io.polygons import cut_polygons
from crossjepa.io.shapes import (
    Mesh,
    PointCloud,
    as_cloud,
    check_count,
    check_orientation,
    validate_mesh,
)

# Names of arrays of points, in lower case and without underscores.
POINT_KEYS = (
    "points", "point", "pts", "pt", "pnts", "xyz", "xyzs", "pos", "position", "positions", "coord",
    "coords", "coordinate", "coordinates", "pcd", "pcl", "pc", "pcs", "pointcloud", "pointclouds", "cloud",
    "clouds", "locations", "points3d", "vertices", "verts", "vertex", "v",
)  # fmt: skip
FACE_KEYS = (
    "faces", "face", "triangles", "triangle", "tris", "tri", "faceindices", "f", "cells", "simplices",
)  # fmt: skip
_MESH_KEYS = ("vertices", "verts", "vertex", "v")
_VAGUE_KEYS = ("data", "x", "arr0")  # if no other name is known
MAX_COLUMNS = 64


def read_npy(path: Path) -> PointCloud:
    """Reads an array of points, also a structured one with the fields x, y and z."""
    content = read_content(path)
    return as_cloud(_as_rows(_read_array(io.BytesIO(content), path, len(content)), path), str(path))


def read_npz(path: Path) -> PointCloud | Mesh:
    """Reads the points, or the vertices and faces, of an archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(read_content(path))) as archive:
            members = {
                info.filename.removesuffix(".npy"): info
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            }

            def get(name: str) -> NDArray[Any]:
                check_unpacked_size(members[name], path)
                with archive.open(members[name]) as file:
                    return _read_array(file, path, members[name].file_size)

            return from_arrays(members, get, str(path))
    except (PointCloudError, MemoryError):
        raise
    except Exception as error:  # zipfile and zlib raise many types of error for damaged archives
        raise PointCloudError(path, f"not a readable npz archive ({error})") from error


def from_arrays(names: Iterable[str], get: Callable[[str], NDArray[Any]], source: str) -> PointCloud | Mesh:
    """Chooses the points, or the vertices and faces, among named arrays.

    Args:
        names: the names.
        get: returns the array of a name.
        source: name of the archive, for errors.

    Raises:
        PointCloudError: none of them, or several, can be the points; the message names them.
    """
    known = {_plain(Path(name).name): name for name in names}
    found = [known[key] for key in POINT_KEYS if key in known]
    faces = _find_faces(known, get)
    if faces is not None and found:
        vertices = next((known[key] for key in _MESH_KEYS if key in known), found[0])
        rows = _as_rows(get(vertices), source)
        return validate_mesh(rows, _triangles(faces, rows, source), source)
    axes = [known[axis] for axis in "xyz" if axis in known]
    if not found and len(axes) == 3:
        columns = [np.ravel(get(axis)) for axis in axes]
        if len({len(column) for column in columns}) > 1:
            raise PointCloudError(source, "its arrays x, y and z have different lengths")
        return as_cloud(np.stack(columns, axis=1), source)
    found = found or [known[key] for key in _VAGUE_KEYS if key in known]
    if not found and len(known) == 1:
        found = list(known.values())
    if not found:
        raise PointCloudError(
            source, f"has no array named points, xyz, coord, vertices or the like; it has {sorted(names)}"
        )
    if len(found) > 1:
        found = _tables(found, get) or found[:1]
    if len(found) > 1:
        reason = f"several of its arrays can be the points: {', '.join(found)}; keep one of them"
        raise PointCloudError(source, reason)
    return as_cloud(_as_rows(get(found[0]), source), source)


def _find_faces(known: Mapping[str, str], get: Callable[[str], NDArray[Any]]) -> NDArray[Any] | None:
    for key in FACE_KEYS:
        if key not in known:
            continue
        if key == "faces":
            return get(known[key])
        with suppress(PointCloudError):
            faces = get(known[key])
            if faces.ndim == 2 and faces.shape[1] in (3, 4) and faces.dtype.kind in "iu":
                return faces
    return None


def _tables(names: Sequence[str], get: Callable[[str], NDArray[Any]]) -> list[str]:
    """Returns those names that hold a table of at least three columns; of equal tables, the first."""
    tables: dict[str, NDArray[Any]] = {}
    for name in names:
        with suppress(PointCloudError):
            table = get(name)
            is_table = table.dtype.names is not None or (table.ndim > 1 and table.shape[-1] >= 3)
            if is_table and not any(np.array_equal(table, other) for other in tables.values()):
                tables[name] = table
    return list(tables)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def _triangles(faces: NDArray[Any], vertices: NDArray[Any], source: str) -> NDArray[Any]:
    """Returns (F, 3) vertex numbers of triangles, or of quads that are cut."""
    if faces.ndim == 2 and faces.shape[1] == 4 and faces.dtype.kind in "iu":
        if len(faces) and (faces[:, 0] == 3).all():  # VTK: every face begins with its number of corners
            return faces[:, 1:]
        check_count(2 * len(faces), source, "faces")
        return cut_polygons([faces.astype(np.int64)], vertices, source)
    return faces


def _as_rows(array: NDArray[Any], source: str | Path) -> NDArray[Any]:
    """Returns (M, 3) or wider numbers: fields of a structured array, or the one cloud of a batch."""
    if array.dtype.names:
        return fields_to_rows(array, str(source))
    return array[0] if array.ndim == 3 and len(array) == 1 else array


def fields_to_rows(array: NDArray[Any], source: str) -> NDArray[np.float64]:
    """Returns the (M, 3) coordinates of a structured array with fields for x, y and z, or one for all.

    Raises:
        PointCloudError: no fields have these names, or they are no numbers.
    """
    names = array.dtype.names or ()
    flat = array.ravel()
    together = [name for name in names if array.dtype[name].shape == (3,) and _plain(name) in POINT_KEYS]
    try:
        chosen = [flat[names[column]] for column in find_columns(names)] if len(together) != 1 else None
    except ValueError as error:
        raise PointCloudError(source, str(error).replace("columns", "fields", 1)) from error
    columns = list(flat[together[0]].T) if chosen is None else chosen
    if any(column.dtype.kind not in "fiu" or column.ndim != 1 for column in columns):
        raise PointCloudError(source, f"expected real numbers in fields, not {array.dtype}")
    with np.errstate(invalid="ignore"):
        return np.stack([column.astype(np.float64) for column in columns], axis=1)


def check_unpacked_size(info: zipfile.ZipInfo, path: Path) -> None:
    """Refuses a member of an archive that claims to unpack to more than measured numbers ever do.

    Raises:
        PointCloudError: it does.
    """
    if info.file_size > max(SMALL, MAX_COMPRESSION * info.compress_size):
        raise PointCloudError(path, f"{info.compress_size} compressed bytes claim to hold {info.file_size}")


def _read_array(file: IO[bytes], path: Path, size: int) -> NDArray[Any]:
    """Reads one npy array after comparing what its header promises with the size of the file."""
    shape, fortran_order, dtype = read_header(file, path)
    if dtype.hasobject:
        raise PointCloudError(path, "holds pickled objects, which are never loaded")
    if dtype.names is None:
        if dtype.kind not in "fiu":
            raise PointCloudError(path, f"expected real numbers, not {dtype}")
        _check_shape(shape, path)
    elif not 1 <= len(shape) <= 2 or math.prod(shape) < 0:
        raise PointCloudError(path, f"expected a structured array of shape (N,), not {shape}")
    check_count(math.prod(shape[:-1] if dtype.names is None else shape), str(path), "rows")
    needed = math.prod(shape) * dtype.itemsize
    if needed > size:
        raise PointCloudError(path, f"truncated: its header promises shape {shape}, more than the file holds")
    content = file.read(needed)
    if len(content) < needed:
        raise PointCloudError(path, f"truncated: shape {shape} needs {needed} bytes, found {len(content)}")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")


def _check_shape(shape: tuple[int, ...], path: Path) -> None:
    rows = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
    if len(rows) == 3 and min(rows) >= 0:
        raise PointCloudError(
            path,
            f"shape {shape} is many clouds or a picture of depths: give numpy.load(...) to `encode` for one "
            f"feature per cloud, or save numpy.reshape(array, (-1, {rows[-1]})) as one cloud",
        )
    if len(rows) == 1 and len(shape) == 1:
        return  # one of x, y and z
    if len(rows) != 2 or min(rows) < 0:
        raise PointCloudError(path, f"expected an array of shape (N, 3) or wider, not {shape}")
    if rows[1] <= MAX_COLUMNS:
        return
    check_orientation(shape, str(path))
    raise PointCloudError(path, f"{rows[1]} columns; up to {MAX_COLUMNS} are accepted")


def read_header(file: IO[bytes], path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Returns shape, whether columns come first, and type of an npy array, of which no more is read.

    Raises:
        PointCloudError: it is not an npy array.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(file)
            is_first = version == (1, 0)
            reader = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
            shape, fortran_order, dtype = reader(file)
            if not all(type(length) is int for length in shape):
                raise ValueError(f"shape {shape}")
    except Exception as error:  # the header is Python source, which can fail in many ways
        raise PointCloudError(path, f"not a readable npy array ({error})") from error
    return shape, fortran_order, dtype
