"""ShapeDB out of a pack, and as the archive of clouds by which it is evaluated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from meshpack import write_meshpack
from shapedb import load_shapedb, write_clouds

from crossjepa import CrossJEPAEncoder, PointCloudError
from crossjepa.datasets import load
from crossjepa.io import Mesh
from crossjepa.ops.mesh_sampling import sample_surface
from tests.helpers.dataset_writers import lines
from tests.reproduce.test_meshpack import packed


def write_table(folder: Path, *rows: str) -> Path:
    """A table of labels beside a pack of two meshes."""
    write_meshpack(folder / "meshes_objects.npz", [packed("chair"), packed("horse", up="z")])
    return lines(folder / "labels.csv", "mesh_index,name,class,fold", *rows)


def test_the_archive_holds_what_the_meshes_give(tmp_path: Path, base: CrossJEPAEncoder) -> None:
    dataset = load_shapedb(write_table(tmp_path, "1,horse,animal,0", "0,chair,seat,1"))
    assert (dataset.classes, dataset.splits) == (("animal", "seat"), ("fold0", "fold1"))
    write_clouds(dataset, tmp_path / "clouds.npz")
    clouds = load("clouds", tmp_path / "clouds.npz")
    assert (clouds.classes, clouds.splits, clouds.names) == (dataset.classes, dataset.splits, dataset.names)
    assert clouds.labels_n.tolist() == dataset.labels_n.tolist() == [0, 1]
    for sample, cloud in zip(dataset, clouds, strict=True):
        assert isinstance(sample.shape, Mesh)
        vertices_V3, faces_F3 = sample.shape.vertices_V3, sample.shape.faces_F3
        points_N3, _ = sample_surface(vertices_V3, faces_F3, 1024, np.random.default_rng(0))
        np.testing.assert_array_equal(cloud.points_N3, points_N3)
    of_cloud, of_mesh = base.encode([clouds[1].points_N3, dataset[1].shape], normalize=True)
    assert of_cloud @ of_mesh > 0.95


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2,horse,animal,0", r"labels.csv: line 2: there is no mesh '2' among 2"),
        ("x,horse,animal,0", "there is no mesh 'x'"),
        ("0,horse,animal,0", "line 2: mesh 0 is 'chair', not 'horse'"),
    ],
)
def test_a_table_of_another_pack(tmp_path: Path, row: str, reason: str) -> None:
    with pytest.raises(PointCloudError, match=reason):
        load_shapedb(write_table(tmp_path, row))


@pytest.mark.slow
def test_the_real_one(shared: Path) -> None:
    dataset = load_shapedb(shared / "data" / "shapedb69_labels.csv", num_points=64)
    assert (len(dataset), len(dataset.classes), dataset.split_names[-1]) == (2391, 69, "fold4")
    assert dataset[0].points_N3.shape == (64, 3)
    assert dataset[0].name == "m1337"
    # As version 0.1.0 computed it.
    expected = "302977c91f82b65657577943c502134165fbd732ab48c7043c172451f2a075f7"
    assert load_shapedb(shared / "data" / "shapedb69_labels.csv").checksum() == expected
