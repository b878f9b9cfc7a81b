"""ShapeDB: 69 classes and five fixed folds of meshes in a pack."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossjepa.datasets.dataset import Dataset, RawShape
from crossjepa.datasets.files import sampling_rule
from crossjepa.datasets.folder import read_table
from crossjepa.datasets.meshpack import PackedMesh, read_meshpack
from crossjepa.io import PointCloudError
from crossjepa.ops.mesh_sampling import sample_surface

NAME = "shapedb69"
LABELS, MESHES = "shapedb69_labels.csv", "meshes_objects.npz"


def load_shapedb(path: Path, num_points: int, seed: int) -> Dataset:
    """Reads the labels and, from the mesh pack beside them, the meshes; splits are "fold0" to "fold4".

    Args:
        path: the folder of both, or the table of labels.
        num_points: points sampled on a mesh.
        seed: seed of that sampling.

    Raises:
        PointCloudError: a file is missing or damaged, or the table is of another pack.
    """
    table = path / LABELS if path.is_dir() else path
    rows = read_table(table, ("mesh_index", "name", "class", "fold"))
    pack = table.with_name(MESHES)
    meshes = read_meshpack(pack)
    picked = [
        _mesh(meshes, row["mesh_index"], row["name"], table, line) for line, row in enumerate(rows, start=2)
    ]
    classes = sorted({row["class"] for row in rows})

    def read_shape(index: int) -> RawShape:
        mesh = picked[index]
        generator = np.random.default_rng(seed)
        points_N3, _ = sample_surface(mesh.vertices_V3, mesh.faces_F3, num_points, generator)
        return RawShape(f"{pack}[{rows[index]['mesh_index']}]", points_N3)

    return Dataset(
        name=NAME,
        layout="mesh pack",
        classes=tuple(classes),
        labels_n=np.array([classes.index(row["class"]) for row in rows], np.int64),
        names=tuple(row["name"] for row in rows),
        splits=tuple(f"fold{row['fold']}" for row in rows),
        read=read_shape,
        files=(table, pack),
        sampling=sampling_rule(num_points, seed),
    )


def _mesh(meshes: list[PackedMesh], index: str, name: str, table: Path, line: int) -> PackedMesh:
    if not index.isdecimal() or len(index) > 9 or int(index) >= len(meshes):
        raise PointCloudError(table, f"line {line}: there is no mesh {index!r} among {len(meshes)}")
    mesh = meshes[int(index)]
    if mesh.name != name:
        raise PointCloudError(table, f"line {line}: mesh {index} is {mesh.name!r}, not {name!r}")
    return mesh
