"""Folders of good and of broken files, for the tests that read many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.io import Mesh
from crossjepa.ops.mesh_sampling import sample_surface
from tests.helpers import io_writers as writers

_CLOUD_POINTS = 2000


def _glb(vertices_V3: NDArray[np.float64], faces_F3: NDArray[np.int64]) -> bytes:
    return writers.glb(*writers.gltf_tree(vertices_V3, faces_F3))


MESH_WRITERS: dict[str, Callable[[NDArray[np.float64], NDArray[np.int64]], bytes]] = {
    "plain.off": writers.off,
    "glued.off": lambda vertices_V3, faces_F3: writers.off(vertices_V3, faces_F3, glued=True),
    "plain.obj": writers.obj,
    "binary.stl": writers.stl_binary,
    "ascii.stl": writers.stl_ascii,
    "ascii.ply": writers.ply,
    "little.ply": lambda vertices_V3, faces_F3: writers.ply(vertices_V3, faces_F3, "binary_little_endian"),
    "big.ply": lambda vertices_V3, faces_F3: writers.ply(vertices_V3, faces_F3, "binary_big_endian"),
    "plain.glb": _glb,
    "mesh.npz": lambda vertices_V3, faces_F3: writers.npz(vertices=vertices_V3, faces=faces_F3),
}
CLOUD_WRITERS: dict[str, Callable[[NDArray[np.float64]], bytes]] = {
    "plain.xyz": lambda points_N3: writers.rows(points_N3).encode(),
    "header.csv": lambda points_N3: b"x,y,z\n" + writers.rows(points_N3, ",").encode(),
    "plain.npy": writers.npy,
    "ascii.pcd": lambda points_N3: writers.pcd(writers.xyz_columns(points_N3)),
    "binary.pcd": lambda points_N3: writers.pcd(writers.xyz_columns(points_N3), "binary"),
}


def write_mixed_meshes(folder: Path, meshes: Sequence[Mesh]) -> list[Path]:
    """Writes each mesh in the next of fifteen formats; the last five hold points of its surface.

    Args:
        folder: where to; it exists.
        meshes: what to write.

    Returns:
        The paths, sorted.
    """
    names = [*MESH_WRITERS, *CLOUD_WRITERS]
    paths = []
    for number, mesh in enumerate(meshes):
        name = names[number % len(names)]
        if name in MESH_WRITERS:
            content = MESH_WRITERS[name](mesh.vertices_V3, mesh.faces_F3)
        else:
            generator = np.random.default_rng(number)
            points_N3, _ = sample_surface(mesh.vertices_V3, mesh.faces_F3, _CLOUD_POINTS, generator)
            content = CLOUD_WRITERS[name](points_N3)
        paths.append(folder / f"{number:03d}_{name}")
        paths[-1].write_bytes(content)
    return sorted(paths)


def write_broken_files(folder: Path) -> dict[Path, str]:
    """Writes ten files that cannot be used, each for another reason.

    Args:
        folder: where to; it exists.

    Returns:
        A word of the reason that each must be refused for.
    """
    contents = broken_files()
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    return {folder / name: word for name, (_, word) in contents.items()}


def broken_files() -> dict[str, tuple[bytes, str]]:
    """Returns the content of ten broken files by name, with a word of the reason."""
    vertices_V3 = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float64)
    faces_F3 = np.array([[0, 1, 2], [0, 1, 3]])
    beyond_F3 = np.array([[0, 1, 2], [0, 1, 98]])
    with_nan_V3 = vertices_V3 * np.nan
    huge = b"ply\nformat binary_little_endian 1.0\nelement vertex 4000000000\nproperty float x\nend_header\n"
    objects: NDArray[Any] = np.array([{"x": 1}, None], dtype=object)
    return {
        "nan.ply": (writers.ply(with_nan_V3, faces_F3), "finite"),
        "beyond.obj": (writers.obj(vertices_V3, beyond_F3), "refers"),
        "huge.ply": (huge, "4000000000"),
        "truncated.pcd": (writers.pcd(writers.xyz_columns(vertices_V3), "binary")[:-5], "bytes"),
        "garbage.xyz": (b"1 2 3\n4 5 six\n", "line 2"),
        "empty.txt": (b"", "empty"),
        "objects.npy": (writers.npy(objects), "pickled"),
        "claims.stl": (b"binary".ljust(80) + b"\x07\0\0\0" + bytes(50), "triangles"),
        "truncated.glb": (_glb(vertices_V3, faces_F3)[:-7], "truncated"),
        "short.off": (b"OFF\n400 800 0\n0 0 0\n1 0 0\n", "promises"),
    }
