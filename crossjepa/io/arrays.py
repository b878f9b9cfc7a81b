"""Readers of npy and npz files.

N points
"""

from __future__ import annotations

import math
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.shapes import Mesh, PointCloud, check_count, validate_mesh, validate_points

POINT_KEYS = ("points", "xyz", "pos", "pcd", "pc", "cloud", "vertices")
MAX_COLUMNS = 64
# Measured coordinates compress by a small factor; zeros, which zip bombs consist of, by about a thousand.
_MAX_COMPRESSION, _SMALL = 100, 1 << 24


def read_npy(path: Path) -> PointCloud:
    """Reads an array of points."""
    with path.open("rb") as file:
        points = _read_array(file, path, path.stat().st_size)
    return PointCloud(validate_points(points, str(path)))


def read_npz(path: Path) -> PointCloud | Mesh:
    """Reads the points, or the vertices and faces, of an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive, path)
    except (PointCloudError, MemoryError):
        raise
    except Exception as error:  # zipfile and zlib raise many types of error for damaged archives
        raise PointCloudError(path, f"not a readable npz archive ({error})") from error


def _read_archive(archive: zipfile.ZipFile, path: Path) -> PointCloud | Mesh:
    members = {
        Path(info.filename).stem: info for info in archive.infolist() if info.filename.endswith(".npy")
    }
    if "vertices" in members and "faces" in members:
        vertices, faces = (_read_member(archive, members[name], path) for name in ("vertices", "faces"))
        return validate_mesh(vertices, faces, str(path))
    found = [name for name in POINT_KEYS if name in members]
    if not found and len(members) == 1:
        found = list(members)
    if not found:
        raise PointCloudError(
            path,
            f"has no array named {', '.join(POINT_KEYS[:-1])} or {POINT_KEYS[-1]}; it has {sorted(members)}",
        )
    return PointCloud(validate_points(_read_member(archive, members[found[0]], path), str(path)))


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    check_unpacked_size(info, path)
    with archive.open(info) as file:
        return _read_array(file, path, info.file_size)


def check_unpacked_size(info: zipfile.ZipInfo, path: Path) -> None:
    """Refuses a member of an archive that claims to unpack to more than measured numbers ever do.

    Raises:
        PointCloudError: it does.
    """
    if info.file_size > max(_SMALL, _MAX_COMPRESSION * info.compress_size):
        raise PointCloudError(path, f"{info.compress_size} compressed bytes claim to hold {info.file_size}")


def _read_array(file: IO[bytes], path: Path, size: int) -> NDArray[Any]:
    """Reads one npy array after comparing what its header promises with the size of the file."""
    shape, fortran_order, dtype = read_header(file, path)
    if dtype.hasobject:
        raise PointCloudError(path, "holds pickled objects, which are never loaded")
    if dtype.kind not in "fiu":
        raise PointCloudError(path, f"expected real numbers, not {dtype}")
    if len(shape) != 2 or min(shape) < 0:
        raise PointCloudError(path, f"expected an array of shape (N, 3) or wider, not {shape}")
    check_count(shape[0], str(path), "rows")
    if shape[1] > MAX_COLUMNS:
        raise PointCloudError(path, f"{shape[1]} columns; up to {MAX_COLUMNS} are accepted")
    needed = math.prod(shape) * dtype.itemsize
    if needed > size:
        raise PointCloudError(path, f"truncated: its header promises shape {shape}, more than the file holds")
    content = file.read(needed)
    if len(content) < needed:
        raise PointCloudError(path, f"truncated: shape {shape} needs {needed} bytes, found {len(content)}")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")


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
    except Exception as error:  # the header is Python source, which can fail in many ways
        raise PointCloudError(path, f"not a readable npy array ({error})") from error
    return shape, fortran_order, dtype
