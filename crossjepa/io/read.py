"""One function that reads all formats."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from crossjepa.errors import PointCloudError
from crossjepa.io.arrays import read_npy, read_npz
from crossjepa.io.gltf import read_gltf
from crossjepa.io.obj import read_obj
from crossjepa.io.off import read_off
from crossjepa.io.pcd import read_pcd
from crossjepa.io.ply import read_ply
from crossjepa.io.shapes import Mesh, PointCloud
from crossjepa.io.stl import read_stl
from crossjepa.io.text import read_points_text

_READERS: dict[str, Callable[..., PointCloud | Mesh]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".ply": read_ply,
    ".off": read_off,
    ".obj": read_obj,
    ".stl": read_stl,
    ".glb": read_gltf,
    ".gltf": read_gltf,
    ".xyz": read_points_text,
    ".txt": read_points_text,
    ".csv": read_points_text,
    ".pts": read_points_text,
    ".pcd": read_pcd,
}
READABLE_SUFFIXES = tuple(_READERS)
_COLORED = (read_ply, read_off, read_obj, read_gltf)


def read(path: str | os.PathLike[str], *, color: bool = False) -> PointCloud | Mesh:
    """Reads a point cloud or a mesh.

    Args:
        path: a file with one of `READABLE_SUFFIXES`, in lower or upper case.
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
    file = Path(path)
    if file.is_dir():
        raise PointCloudError(path, "is a folder")
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise PointCloudError(path, f"unknown format; readable formats are {' '.join(READABLE_SUFFIXES)}")
    if not file.exists():
        raise PointCloudError(path, "no such file")
    if not file.is_file():
        raise PointCloudError(path, "is not a regular file")
    try:
        if file.stat().st_size == 0:
            raise PointCloudError(path, "is empty")
        return reader(file, color=True) if color and reader in _COLORED else reader(file)
    except OSError as error:
        raise PointCloudError(path, f"cannot be read ({error.strerror or error})") from error
    except MemoryError as error:
        raise PointCloudError(path, "needs more memory than this machine has") from error


def find_files(folder: str | os.PathLike[str]) -> list[Path]:
    """Lists the readable files in a folder and its subfolders, sorted; hidden ones are skipped."""
    return sorted(
        path
        for path in Path(folder).rglob("*")
        if path.suffix.lower() in READABLE_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
