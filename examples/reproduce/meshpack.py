"""Packs of small meshes, of which the bundled weights were made: one npz of xz-compressed differences.

    python examples/reproduce/meshpack.py PACK.npz [PACK.npz ...] -o FOLDER
        [--choice open|no-benchmark|evaluation|all] [--limit N]

writes the meshes that may be used, or those that no pretraining sees, as files, for whatever reads folders.

V vertices, F faces
"""

from __future__ import annotations

import argparse
import lzma
import os
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa import PointCloudError
from crossjepa.datasets import Dataset, Sample
from crossjepa.datasets.dataset import Reader
from crossjepa.files import write_npz
from crossjepa.hashing import text_digest
from crossjepa.io import Mesh, validate_mesh
from crossjepa.ops.mesh_sampling import face_areas
from crossjepa.processor import rotate_up_axis

GRID_STEPS, GRID_CENTER = 65000, 32768
# Sources of the evaluation sets, and licenses that are absent or not the same for all of a source.
EVALUATION_SOURCES = r"PSB|INFOMR|Labeled"
UNCLEAR_LICENSES = r"no licen[cs]e|mixed|see repo"
MIN_FACES = 12
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
        known_as: name of an evaluation object that it duplicates, "" if there is none.
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

    def has_form(self) -> bool:
        """Whether it is more than a tile or a rod: enough faces, and some extent in two directions."""
        extents_3 = np.sort(np.ptp(self.vertices_V3, axis=0))
        return (
            len(self.faces_F3) >= MIN_FACES
            and bool(extents_3[1] > 0.02)
            and bool(face_areas(self.vertices_V3, self.faces_F3).sum() > 0)
        )

    def no_benchmark(self) -> bool:
        """Whether it has a form and is not of an evaluation set."""
        return self.has_form() and not self.known_as and not re.search(EVALUATION_SOURCES, self.source)

    def evaluation(self) -> bool:
        """Whether it has a form and is of an evaluation set."""
        return self.has_form() and bool(re.search(EVALUATION_SOURCES, self.source))

    def openly_licensed(self) -> bool:
        """Whether it may be used for weights that are free to use and have seen no evaluation data."""
        return self.no_benchmark() and not re.search(UNCLEAR_LICENSES, self.license)


CHOICES: dict[str, Callable[[PackedMesh], bool]] = {
    "open": PackedMesh.openly_licensed,
    "no-benchmark": PackedMesh.no_benchmark,
    "evaluation": PackedMesh.evaluation,
    "all": PackedMesh.has_form,
}


@dataclass(frozen=True, eq=False)
class PackReader(Reader):
    """Gives the meshes of a pack, all with y up."""

    path: Path
    meshes: tuple[PackedMesh, ...]
    choice: str

    def read(self, row: int) -> Sample:
        """Validates and turns one mesh."""
        return mesh_sample(self.meshes[row], f"{self.path}[{row}]")

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        """Returns what identifies the meshes, as the caches of the bundled weights have it."""
        facts = {
            "kind": "meshpack",
            "file": self.path.name,
            "sha256": dataset.checksum(),
            "meshes": self.choice,
            "names": text_digest(dataset.names),
        }
        return facts if dataset.selection == "all" else {**facts, "rows": dataset.selection}


def open_pack(path: str | os.PathLike[str], choice: str = "open") -> Dataset:
    """Opens the meshes of a pack that may be used.

    Args:
        path: as for `read_meshpack`.
        choice: "open" for openly licensed meshes that are of no evaluation set, "no-benchmark" for those of
            any license, "evaluation" for those of evaluation sets, "all" for all that have a form.
    """
    path = Path(path)
    meshes = tuple(mesh for mesh in read_meshpack(path) if CHOICES[choice](mesh))
    return Dataset(
        name="meshpack",
        layout="mesh pack",
        names=tuple(f"{mesh.source}/{mesh.category}/{mesh.name}" for mesh in meshes),
        splits=("all",) * len(meshes),
        reader=PackReader(path, meshes, choice),
        files=(path,),
    )


def mesh_sample(mesh: PackedMesh, source: str) -> Sample:
    """Validates a mesh and turns it so that y points up."""
    shape = validate_mesh(mesh.vertices_V3, mesh.faces_F3, source)
    if mesh.up == "z":
        shape = replace(shape, vertices_V3=rotate_up_axis(shape.vertices_V3, "z", "y"))
    return Sample(shape, mesh.name)


def read_meshpack(path: str | os.PathLike[str]) -> list[PackedMesh]:
    """Reads a pack of meshes.

    Args:
        path: npz file with `verts_xz`, `faces_xz`, their counts `nv`, `nf`, and an array for every text.

    Returns:
        The meshes in file order.

    Raises:
        PointCloudError: the file is missing, damaged, or not a mesh pack.
    """
    try:
        with np.load(Path(path)) as archive:
            arrays = {name: archive[name] for name in archive.files}
        vertex_counts, face_counts = arrays["nv"].astype(int), arrays["nf"].astype(int)
        vertices = _unpack(arrays["verts_xz"], 3, int(vertex_counts.sum())).T
        faces = _unpack(arrays["faces_xz"], 1, 3 * int(face_counts.sum()))[0]
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


def write_meshpack(path: Path, meshes: Sequence[PackedMesh]) -> None:
    """Packs meshes: vertices on a grid, differences, low bytes apart from high bytes, xz."""
    grids = [np.round(GRID_STEPS * mesh.vertices_V3) + GRID_CENTER for mesh in meshes]
    texts = {key: np.array([getattr(mesh, name) for mesh in meshes]) for name, key in _TEXTS.items()}
    counts = {
        "nv": np.array([len(mesh.vertices_V3) for mesh in meshes], np.uint32),
        "nf": np.array([len(mesh.faces_F3) for mesh in meshes], np.uint32),
    }
    packed = {"verts_xz": _pack(grids), "faces_xz": _pack([mesh.faces_F3.reshape(-1, 1) for mesh in meshes])}
    write_npz(path, {**counts, **packed, **texts})


def _pack(parts: Sequence[NDArray[Any]]) -> NDArray[np.uint8]:
    """Compresses (rows, columns) numbers from 0 to 65535, each part from 0 on."""
    numbers = [part.astype(np.uint16) for part in parts]
    steps = [np.diff(part, axis=0, prepend=np.zeros_like(part[:1])) for part in numbers]
    columns = np.concatenate(steps).T
    planes = np.stack([columns & 255, columns >> 8], axis=1).astype(np.uint8)
    return np.frombuffer(lzma.compress(planes.tobytes()), np.uint8)


def _unpack(packed: NDArray[np.uint8], columns: int, count: int) -> NDArray[np.uint16]:
    """Returns (columns, count) differences, whose low and high bytes are stored apart."""
    planes = np.frombuffer(lzma.decompress(packed.tobytes()), np.uint8).reshape(columns, 2, count)
    return np.asarray(planes[:, 0] + 256 * planes[:, 1].astype(np.uint16), np.uint16)


def _vertices(deltas_V3: NDArray[np.uint16]) -> NDArray[np.float32]:
    grid_V3 = np.cumsum(deltas_V3, axis=0, dtype=np.uint16).astype(np.float32)
    return ((grid_V3 - GRID_CENTER) / GRID_STEPS).astype(np.float32)


def _faces(deltas: NDArray[np.uint16]) -> NDArray[np.int32]:
    return np.cumsum(deltas, dtype=np.uint16).astype(np.int32).reshape(-1, 3)


def main() -> None:
    """Writes meshes as npz files of vertices and faces."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packs", nargs="+", type=Path, metavar="PACK.npz")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--choice", choices=tuple(CHOICES), default="open")
    parser.add_argument(
        "--limit", type=int, default=0, help="meshes of each pack, evenly from all (default all)"
    )
    options = parser.parse_args()
    for pack in options.packs:
        folder = options.output / pack.stem
        folder.mkdir(parents=True, exist_ok=True)
        dataset = open_pack(pack, options.choice)
        if options.limit:
            dataset = dataset.select(np.linspace(0, len(dataset) - 1, options.limit).astype(int))
        for row, sample in enumerate(dataset):
            assert isinstance(sample.shape, Mesh)
            arrays = {"vertices": sample.shape.vertices_V3, "faces": sample.shape.faces_F3}
            write_npz(folder / f"{row:05d}.npz", arrays)
        print(f"{folder}: {row + 1} meshes")


if __name__ == "__main__":
    main()
