"""Packed meshes as a collection to render: which of them may be used, and for what."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from crossjepa.datasets.collection import Collection, Item
from crossjepa.datasets.meshpack import PackedMesh, read_meshpack
from crossjepa.hashing import file_digest, text_digest
from crossjepa.io import validate_mesh
from crossjepa.ops.mesh_sampling import face_areas

# Sources of the evaluation sets, and licenses that are absent or not the same for all of a source.
EVALUATION_SOURCES = r"PSB|INFOMR|Labeled"
UNCLEAR_LICENSES = r"no licen[cs]e|mixed|see repo"
MIN_FACES = 12


def openly_licensed(mesh: PackedMesh) -> bool:
    """Whether a mesh may be used for weights that are free to use and have seen no evaluation data."""
    return no_benchmark(mesh) and not re.search(UNCLEAR_LICENSES, mesh.license)


def no_benchmark(mesh: PackedMesh) -> bool:
    """Whether a mesh has a form and is not of an evaluation set."""
    return has_form(mesh) and not mesh.known_as and not re.search(EVALUATION_SOURCES, mesh.source)


def has_form(mesh: PackedMesh) -> bool:
    """Whether a mesh is more than a tile or a rod: faces enough, and some extent in two directions."""
    extents_3 = np.sort(np.ptp(mesh.vertices_V3, axis=0))
    return (
        len(mesh.faces_F3) >= MIN_FACES
        and bool(extents_3[1] > 0.02)
        and bool(face_areas(mesh.vertices_V3, mesh.faces_F3).sum() > 0)
    )


CHOICES: dict[str, Callable[[PackedMesh], bool]] = {
    "open": openly_licensed,
    "no-benchmark": no_benchmark,
    "all": has_form,
}


class MeshPack(Collection):
    """The meshes of a pack that may be used.

    Args:
        path: as for `read_meshpack`.
        choice: "open" for openly licensed meshes that are of no evaluation set, "no-benchmark" for those of
            any license, "all" for all that have a form.
    """

    def __init__(self, path: str | os.PathLike[str], choice: str = "open") -> None:
        self.path = Path(path)
        self.meshes = [mesh for mesh in read_meshpack(path) if CHOICES[choice](mesh)]
        self.names = [f"{mesh.source}/{mesh.category}/{mesh.name}" for mesh in self.meshes]
        self.facts = {
            "kind": "meshpack",
            "file": self.path.name,
            "sha256": file_digest(self.path),
            "meshes": choice,
            "names": text_digest(self.names),
        }

    def __getitem__(self, row: int) -> Item:
        mesh = self.meshes[row]
        shape = validate_mesh(mesh.vertices_V3, mesh.faces_F3, f"{self.path}: {self.names[row]}")
        return Item(shape, "z" if mesh.up == "z" else "y")
