"""ShapeDB, 69 classes in five fixed folds of meshes of a pack, as an archive of clouds.

    python examples/reproduce/shapedb.py shapedb69_labels.csv -o shapedb69.npz

The table has `mesh_index,name,class,fold`; meshes_objects.npz, the pack, lies beside it. The points are those
that `encode` takes of the meshes, to the bit, so everything that reads clouds evaluates ShapeDB by them:

    crossjepa eval linear shapedb69.npz
    crossjepa finetune shapedb69.npz -o MODEL
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from meshpack import PackedMesh, read_meshpack
from numpy.typing import NDArray

from crossjepa import PointCloudError
from crossjepa.datasets import Dataset, Sample
from crossjepa.datasets.dataset import Reader
from crossjepa.datasets.folder import read_table
from crossjepa.datasets.sample import Sampling
from crossjepa.files import write_npz
from crossjepa.io import Mesh, validate_mesh
from crossjepa.ops.mesh_sampling import sample_surface

NAME, MESHES = "shapedb69", "meshes_objects.npz"


@dataclass(frozen=True, eq=False)
class ShapeDBReader(Reader):
    """Gives the meshes of the table as they are in the pack."""

    meshes: tuple[PackedMesh, ...]

    def read(self, row: int) -> Sample:
        """Validates one mesh."""
        mesh = self.meshes[row]
        return Sample(validate_mesh(mesh.vertices_V3, mesh.faces_F3, f"{MESHES}: {mesh.name}"))


def load_shapedb(table: Path, num_points: int = 1024, seed: int = 0) -> Dataset:
    """Reads the labels and, from the mesh pack beside them, the meshes; splits are "fold0" to "fold4".

    Args:
        table: the table of labels.
        num_points: points sampled on a mesh.
        seed: seed of that sampling.

    Raises:
        PointCloudError: a file is missing or damaged, or the table is of another pack.
    """
    rows = read_table(table, ("mesh_index", "name", "label", "fold"))
    pack = table.with_name(MESHES)
    meshes = read_meshpack(pack)
    picked = [
        _mesh(meshes, row["mesh_index"], row["name"], table, line) for line, row in enumerate(rows, start=2)
    ]
    classes = sorted({row["label"] for row in rows})
    return Dataset(
        name=NAME,
        layout="mesh pack",
        names=tuple(row["name"] for row in rows),
        splits=tuple(f"fold{row['fold']}" for row in rows),
        reader=ShapeDBReader(tuple(picked)),
        files=(table, pack),
        labels=np.array([classes.index(row["label"]) for row in rows], np.int64),
        classes=tuple(classes),
        sampling=Sampling(num_points, seed),
    )


def _mesh(meshes: list[PackedMesh], index: str, name: str, table: Path, line: int) -> PackedMesh:
    if not index.isdecimal() or len(index) > 9 or int(index) >= len(meshes):
        raise PointCloudError(table, f"line {line}: there is no mesh {index!r} among {len(meshes)}")
    mesh = meshes[int(index)]
    if mesh.name != name:
        raise PointCloudError(table, f"line {line}: mesh {index} is {mesh.name!r}, not {name!r}")
    return mesh


def write_clouds(dataset: Dataset, path: Path) -> None:
    """Writes a labeled data set as an archive of float64 clouds, which `load("clouds", path)` reads."""
    write_npz(
        path,
        {
            "points": np.stack([_published_points(sample) for sample in dataset]),
            "labels": dataset.labels_n,
            "classes": np.array(dataset.classes),
            "names": np.array(dataset.names),
            "split": np.array(dataset.splits),
        },
    )


def _published_points(sample: Sample) -> NDArray[np.float64]:
    """Samples a mesh as for the published figures, with one generator over its faces in their order."""
    assert isinstance(sample.shape, Mesh)
    rng = np.random.default_rng(sample.sampling.seed)
    return sample_surface(sample.shape.vertices_V3, sample.shape.faces_F3, sample.sampling.num_points, rng)[0]


def main() -> None:
    """Writes the archive."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path, metavar="LABELS.csv")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="CLOUDS.npz")
    parser.add_argument("--points", type=int, default=1024)
    options = parser.parse_args()
    dataset = load_shapedb(options.table, options.points)
    write_clouds(dataset, options.output)
    print(f"{options.output}: {dataset}")


if __name__ == "__main__":
    main()
