"""Packed collections of small meshes: one npz of delta-coded, xz-compressed vertices and faces.

V vertices, F faces
"""

from __future__ import annotations

import lzma
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.io import PointCloudError

GRID_STEPS = 65000
GRID_CENTER = 32768
_TEXTS = {
    "name": "names",
    "category": "category",
    "source": "source",
    "license": "licence",  # as the packs spell it
    "up": "up",
    "known_as": "mn40",
}


@dataclass(frozen=True, eq=False)
class PackedMesh:
    """One mesh of a pack with what is known of it.

    Attributes:
        name: name of the object.
        category: free-text category or folder.
        source: collection it comes from.
        license: license of the collection, in words.
        up: "y", "z", "y?" (probably y) or "mixed".
        known_as: name of an evaluation object that it duplicates, "" when there is none.
        vertices_V3: (V, 3) float32, the longest side from -0.5 to 0.5.
        faces_F3: (F, 3) int32.
    """

    name: str
    category: str
    source: str
    license: str
    up: str
    known_as: str
    vertices_V3: NDArray[np.float32]
    faces_F3: NDArray[np.int32]


def read_meshpack(path: str | os.PathLike[str]) -> list[PackedMesh]:
    """Reads a pack of meshes.

    Args:
        path: npz file with `verts_xz`, `faces_xz`, their counts `nv`, `nf`, and one array a text field.

    Returns:
        The meshes in file order.

    Raises:
        PointCloudError: the file is missing, damaged, or not a mesh pack.
    """
    try:
        with np.load(Path(path)) as archive:
            arrays = {name: archive[name] for name in archive.files}
        vertex_counts, face_counts = arrays["nv"].astype(int), arrays["nf"].astype(int)
        vertices = _vertex_deltas(arrays["verts_xz"], int(vertex_counts.sum()))
        faces = _face_deltas(arrays["faces_xz"], int(face_counts.sum()))
        columns = (arrays[key].tolist() for key in _TEXTS.values())
        texts = [dict(zip(_TEXTS, row, strict=True)) for row in zip(*columns, strict=True)]
    except (OSError, KeyError, ValueError, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise PointCloudError(path, f"not a readable mesh pack ({error})") from error
    vertex_parts = np.split(vertices, np.cumsum(vertex_counts)[:-1])
    face_parts = np.split(faces, 3 * np.cumsum(face_counts)[:-1])
    return [
        PackedMesh(vertices_V3=_vertices(vertex_part), faces_F3=_faces(face_part), **text)
        for text, vertex_part, face_part in zip(texts, vertex_parts, face_parts, strict=True)
    ]


def _vertex_deltas(packed: NDArray[np.uint8], count: int) -> NDArray[np.uint16]:
    planes = np.frombuffer(lzma.decompress(packed.tobytes()), np.uint8).reshape(3, 2, count)
    return _join_bytes(planes[:, 0], planes[:, 1]).T


def _face_deltas(packed: NDArray[np.uint8], count: int) -> NDArray[np.uint16]:
    planes = np.frombuffer(lzma.decompress(packed.tobytes()), np.uint8).reshape(2, 3 * count)
    return _join_bytes(planes[0], planes[1])


def _join_bytes(low: NDArray[np.uint8], high: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return np.asarray(low + 256 * high.astype(np.uint16), np.uint16)


def _vertices(deltas_V3: NDArray[np.uint16]) -> NDArray[np.float32]:
    grid_V3 = np.cumsum(deltas_V3, axis=0, dtype=np.uint16).astype(np.float32)
    return ((grid_V3 - GRID_CENTER) / GRID_STEPS).astype(np.float32)


def _faces(deltas: NDArray[np.uint16]) -> NDArray[np.int32]:
    return np.cumsum(deltas, dtype=np.uint16).astype(np.int32).reshape(-1, 3)
