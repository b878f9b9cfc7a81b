"""One function that reads all formats."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from crossjepa.errors import PointCloudError, what
from crossjepa.io.arrays import read_npy, read_npz
from crossjepa.io.content import format_suffix
from crossjepa.io.gltf import read_gltf
from crossjepa.io.las import read_las
from crossjepa.io.obj import read_obj
from crossjepa.io.off import read_off
from crossjepa.io.pcd import read_pcd
from crossjepa.io.ply import read_ply
from crossjepa.io.ptx import read_ptx
from crossjepa.io.shapes import Mesh, PointCloud
from crossjepa.io.stl import read_stl
from crossjepa.io.table import read_points_text
from crossjepa.io.unread import how_to_convert, what_it_is

TABLE_SUFFIXES = (".xyz", ".txt", ".csv", ".pts", ".asc", ".tsv", ".xyzn", ".xyzi", ".xyzrgb", ".xyzrgbn")
_READERS: dict[str, Callable[..., PointCloud | Mesh]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".ply": read_ply,
    ".off": read_off,
    ".obj": read_obj,
    ".stl": read_stl,
    ".glb": read_gltf,
    ".gltf": read_gltf,
    **dict.fromkeys(TABLE_SUFFIXES, read_points_text),
    ".ptx": read_ptx,
    ".pcd": read_pcd,
    ".las": read_las,
    ".laz": read_las,
}
READABLE_SUFFIXES = tuple(_READERS)
_COLORED = (read_ply, read_off, read_obj, read_gltf, read_las)


def read(path: str | os.PathLike[str], *, color: bool = False) -> PointCloud | Mesh:
    """Reads a point cloud or a mesh.

    Rows that are not finite are left out, with a `PointCloudWarning` that counts them; see `valid_M` of
    `PointCloud` and `Mesh`.

    Args:
        path: a file with one of `READABLE_SUFFIXES`, in lower or upper case, or with one of them and .gz.
        color: whether to read colors too, including the materials and images that the file names. Those that
            cannot be read are logged as warnings and stay white.

    Returns:
        A `Mesh` if the file has faces, otherwise a `PointCloud`, in the coordinates of the file.

    Raises:
        PointCloudError: the file cannot be used; the message names it and the reason.

    Example:
        >>> mesh = read("chair.obj")
        >>> mesh.vertices_V3.shape, mesh.faces_F3.shape
        ((964, 3), (1912, 3))
    """
    try:
        return _read(Path(path), color)
    except PointCloudError:
        raise
    except OSError as error:
        raise PointCloudError(path, f"cannot be read ({error.strerror or error})") from error
    except MemoryError as error:
        raise PointCloudError(path, "needs more memory than this machine has") from error
    except Exception as error:  # one bad file must never cost the others
        raise PointCloudError(path, f"cannot be read (unexpected {what(error)})") from error


def _read(file: Path, color: bool) -> PointCloud | Mesh:
    if file.is_dir():
        raise PointCloudError(file, "is a folder")
    reader = _READERS.get(format_suffix(file))
    if reader is None:
        unknown = f"unknown format; readable formats are {' '.join(READABLE_SUFFIXES)}, also with .gz"
        raise PointCloudError(file, how_to_convert(file) or unknown)
    if not file.exists():
        raise PointCloudError(file, "no such file")
    if not file.is_file():
        raise PointCloudError(file, "is not a regular file")
    if file.stat().st_size == 0:
        raise PointCloudError(file, "is empty")
    other = what_it_is(file)
    if other:
        raise PointCloudError(file, other)
    return reader(file, color=True) if color and reader in _COLORED else reader(file)


def is_readable(path: Path) -> bool:
    """Whether a file has one of `READABLE_SUFFIXES`, or one of them and .gz."""
    return format_suffix(path) in _READERS
