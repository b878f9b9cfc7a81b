"""npy and npz.

N points
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from crossjepa.io.errors import PointCloudError
from crossjepa.io.shapes import MAX_POINTS, Mesh, PointCloud, validate_mesh, validate_points

POINT_KEYS = ("points", "xyz", "pos", "pcd", "pc", "cloud", "vertices")
MAX_COLUMNS = 64


def read_npy(path: Path) -> PointCloud:
    """Reads one array of points."""
    with path.open("rb") as file:
        points = _read_array(file, path, path.stat().st_size)
    return PointCloud(validate_points(points, str(path)))


def read_npz(path: Path) -> PointCloud | Mesh:
    """Reads the points, or vertices and faces, of an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                Path(info.filename).stem: info
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            }

            def member(name: str) -> NDArray[Any]:
                with archive.open(members[name]) as file:
                    return _read_array(file, path, members[name].file_size)  # type: ignore[arg-type]

            if "vertices" in members and "faces" in members:
                return validate_mesh(member("vertices"), member("faces"), str(path))
            found = [name for name in POINT_KEYS if name in members] or (
                list(members) if len(members) == 1 else []
            )
            if not found:
                raise PointCloudError(
                    path, f"no array called one of {', '.join(POINT_KEYS)}; it has {sorted(members)}"
                )
            return PointCloud(validate_points(member(found[0]), str(path)))
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise PointCloudError(path, f"not a readable npz archive ({error})") from error


def _read_array(file: BinaryIO, path: Path, size: int) -> NDArray[Any]:
    """Reads one npy array after comparing what its header promises with the size of the file."""
    try:
        version = np.lib.format.read_magic(file)
        reader = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran_order, dtype = reader(file)
    except (ValueError, TypeError, SyntaxError, EOFError, RecursionError, MemoryError) as error:
        raise PointCloudError(path, f"not a readable npy array ({error})") from error
    if dtype.hasobject:
        raise PointCloudError(path, "holds pickled objects, which are never loaded")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize > size:
        raise PointCloudError(path, f"its header promises shape {shape}, more than the file holds")
    if count > MAX_POINTS * MAX_COLUMNS:
        raise PointCloudError(path, f"shape {shape} is too large; up to {MAX_POINTS} points are accepted")
    content = file.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        raise PointCloudError(path, f"truncated: shape {shape} needs {count * dtype.itemsize} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")
