"""Preprocessing: the rules that travel with the weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crossjepa import (
    CrossJEPAEncoder,
    OutlierRemovalConfig,
    PointCloudError,
    PointCloudProcessor,
    ProcessorConfig,
)
from crossjepa.io import Mesh, PointCloud, read
from crossjepa.ops.mesh_sampling import face_areas, sample_surface
from crossjepa.ops.up_axis import rotate_up_axis

FILES = Path(__file__).resolve().parent.parent / "examples" / "files"


def cloud(points: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(points, 3))


def square() -> Mesh:
    vertices_V3 = np.array([[0.0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]])
    return Mesh(vertices_V3, np.array([[0, 1, 2], [0, 2, 3]]))


def test_result_is_centered_in_the_unit_sphere() -> None:
    points_N3 = PointCloudProcessor()(cloud(500) * 40 + 1000)
    assert points_N3.dtype == torch.float32
    assert points_N3.shape == (500, 3)
    assert points_N3.mean(dim=0).abs().max() < 1e-5
    assert points_N3.norm(dim=1).max() == pytest.approx(1, abs=1e-6)


def test_large_clouds_are_reduced_and_order_does_not_matter() -> None:
    points_N3 = cloud(5000)
    reduced_M3 = PointCloudProcessor()(points_N3)
    assert reduced_M3.shape == (1024, 3)
    shuffled = points_N3[np.random.default_rng(1).permutation(5000)]
    assert torch.equal(PointCloudProcessor()(shuffled), reduced_M3)


def test_moving_and_scaling_changes_nothing() -> None:
    points_N3 = cloud(300)
    expected = PointCloudProcessor()(points_N3)
    torch.testing.assert_close(PointCloudProcessor()(points_N3 * 7 - 3), expected, rtol=0, atol=1e-5)


def test_far_from_the_origin_keeps_its_form() -> None:
    points_N3 = cloud(300)
    utm = points_N3 + np.array([448_000.0, 5_411_000.0, 100.0])
    torch.testing.assert_close(
        PointCloudProcessor()(utm), PointCloudProcessor()(points_N3), rtol=0, atol=1e-5
    )


def test_up_axis_argument_overrides_the_frame_of_the_data() -> None:
    points_N3 = cloud(200)
    z_up = np.stack([points_N3[:, 0], -points_N3[:, 2], points_N3[:, 1]], axis=1)
    torch.testing.assert_close(PointCloudProcessor()(z_up, up_axis="z"), PointCloudProcessor()(points_N3))


def test_inputs_of_every_kind_agree() -> None:
    points_N3 = cloud(100).astype(np.float32)
    expected = PointCloudProcessor()(points_N3)
    assert torch.equal(PointCloudProcessor()(torch.from_numpy(points_N3)), expected)
    with_normals = np.concatenate([points_N3, cloud(100, 1).astype(np.float32)], axis=1)
    assert torch.equal(PointCloudProcessor()(with_normals), expected)


def test_meshes_of_trimesh_are_understood() -> None:
    trimesh = pytest.importorskip("trimesh")
    box = trimesh.creation.box()
    expected = PointCloudProcessor()(Mesh(np.asarray(box.vertices), np.asarray(box.faces)))
    assert torch.equal(PointCloudProcessor()(box), expected)


def test_meshes_are_sampled_by_area_with_a_fixed_seed() -> None:
    processor = PointCloudProcessor(ProcessorConfig(num_points=4000))
    first, second = processor(square()), processor(square())
    assert torch.equal(first, second)
    assert first.shape == (4000, 3)
    other = PointCloudProcessor(ProcessorConfig(num_points=4000, seed=1))(square())
    assert not torch.equal(first, other)


@pytest.mark.parametrize("repeats", [2, 5])
@pytest.mark.parametrize("points", [40, 500, 1024, 3000])
def test_points_that_are_there_more_than_once_count_once(points: int, repeats: int) -> None:
    points_N3 = cloud(points)
    expected = PointCloudProcessor()(points_N3)
    rng = np.random.default_rng(1)
    for again_N in (
        np.repeat(np.arange(points), repeats),
        np.append(np.arange(points), rng.integers(0, 30, 40)),
    ):
        found = PointCloudProcessor()(points_N3[rng.permutation(again_N)])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_fewer_different_points_than_the_network_takes() -> None:
    points_N3 = np.repeat(cloud(100), 30, axis=0)
    assert PointCloudProcessor()(points_N3).shape == (100, 3)
    assert PointCloudProcessor().prepare(points_N3).original.shape == (3000, 3)


def test_a_mesh_and_its_axis_turned_alike_give_the_same_points() -> None:
    mesh = read(FILES / "chair.obj")
    assert isinstance(mesh, Mesh)
    turned = Mesh(rotate_up_axis(mesh.vertices_V3, "y", "z"), mesh.faces_F3)
    assert torch.equal(PointCloudProcessor()(turned, up_axis="z"), PointCloudProcessor()(mesh))
    z_up = PointCloudProcessor(ProcessorConfig(up_axis="z"))(turned)
    expected = rotate_up_axis(PointCloudProcessor()(mesh).double().numpy(), "y", "z")
    # The same points; the canonical order is that of the axes of the weights.
    np.testing.assert_allclose(np.sort(z_up.numpy(), axis=0), np.sort(expected, axis=0), atol=1e-6)


def test_sampling_is_uniform_by_area() -> None:
    mesh = square()
    points_N3, face_N = sample_surface(mesh.vertices_V3, mesh.faces_F3, 20_000, np.random.default_rng(0))
    assert face_areas(mesh.vertices_V3, mesh.faces_F3).tolist() == [1.0, 1.0]
    counts, _, _ = np.histogram2d(points_N3[:, 0], points_N3[:, 1], bins=(8, 4), range=((0, 2), (0, 1)))
    assert counts.min() > 625 * 0.8
    assert counts.max() < 625 * 1.2
    assert np.bincount(face_N).min() > 9500


def test_faces_without_area_get_no_points() -> None:
    vertices_V3 = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]])
    faces_F3 = np.array([[3, 3, 3], [0, 1, 2], [0, 0, 3]])
    _, face_N = sample_surface(vertices_V3, faces_F3, 1000, np.random.default_rng(0))
    assert set(face_N.tolist()) == {1}


@pytest.mark.parametrize("points", [np.zeros((1, 3)), np.ones((50, 3)) * 4])
def test_a_single_place_is_the_origin(points: NDArray[np.float64]) -> None:
    assert PointCloudProcessor()(points).abs().max() == 0


def test_outliers_are_left_out_first_if_that_is_configured() -> None:
    clean, cleaner = PointCloudProcessor(), PointCloudProcessor().with_outlier_removal()
    points_N3 = cloud(3000) / np.linalg.norm(cloud(3000), axis=1, keepdims=True)
    strays = np.array([[40.0, 0, 0], [0, 40, 0]])
    both = np.concatenate([strays[:1], points_N3, strays[1:]])
    prepared = cleaner.prepare(both)
    assert prepared.outliers.tolist() == [0, 3001]
    assert torch.equal(prepared.points, clean(points_N3))
    assert clean(both).norm(dim=1).median() < 0.1  # the strays set the radius
    assert clean.prepare(both).outliers.size == 0
    assert len(prepared.original) == len(prepared.queries) == 3002
    assert prepared.queries[0].norm() > 30
    shuffled = both[np.random.default_rng(1).permutation(3002)]
    assert torch.equal(cleaner(shuffled), prepared.points)
    assert torch.equal(cleaner(both, up_axis="z"), clean(points_N3, up_axis="z"))


def test_meshes_are_not_cleaned() -> None:
    vertices_V3 = np.array(
        [[0.0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0], [0, 50, 0], [1, 50, 0], [0, 50.1, 0]]
    )
    mesh = Mesh(vertices_V3, np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]]))
    cleaner = PointCloudProcessor().with_outlier_removal()
    assert torch.equal(cleaner(mesh), PointCloudProcessor()(mesh))
    sampled = sample_surface(mesh.vertices_V3, mesh.faces_F3, 1024, np.random.default_rng(0))[0]
    assert cleaner.prepare(sampled).outliers.size > 0


def test_switching_outlier_removal_keeps_its_rule() -> None:
    rule = OutlierRemovalConfig(threshold=5.0)
    processor = PointCloudProcessor(ProcessorConfig(num_points=64, outlier_removal=rule))
    assert processor.with_outlier_removal().config == processor.config
    off = processor.with_outlier_removal(False)
    assert off.config == ProcessorConfig(num_points=64)
    assert off.with_outlier_removal(rule).config == processor.config


def test_outlier_removal_travels_with_the_weights(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    points_N3 = cloud(200)
    points_N3 = np.concatenate([points_N3 / np.linalg.norm(points_N3, axis=1, keepdims=True), [[9.0, 9, 9]]])
    without = tiny.encode(points_N3)
    tiny.processor = tiny.processor.with_outlier_removal()
    tiny.save_pretrained(tmp_path)
    loaded = CrossJEPAEncoder.from_pretrained(tmp_path)
    np.testing.assert_array_equal(loaded.encode(points_N3), tiny.encode(points_N3[:-1]))
    assert np.abs(loaded.encode(points_N3) - without).max() > 1e-3
    features_NC = loaded.encode_points(points_N3)
    assert features_NC.shape == (201, tiny.num_features)
    assert np.isfinite(features_NC).all()


@pytest.mark.parametrize(
    ("points", "word"),
    [
        (np.full((4, 3), np.nan), "finite"),
        (np.array([[0, 0, np.inf]]), "finite"),
        (np.zeros((0, 3)), "no points"),
        (np.zeros((5, 2)), "shape"),
        (np.zeros(3), "shape"),
        (np.array([["a", "b", "c"]]), "real numbers"),
        ("no/such/file.ply", "no such file"),
        (PointCloud(np.full((4, 3), np.nan)), "PointCloud: none of its 4 points is finite"),
        (PointCloud(np.zeros((5, 2))), "PointCloud: .*shape"),
        (Mesh(np.eye(3), np.array([[0, 1, 7]])), r"Mesh: face 0 refers to vertices \[0, 1, 7\]"),
        (torch.ones(4, 3, dtype=torch.bool), "real numbers, not bool"),
        (torch.ones(4, 3, dtype=torch.complex64), "real numbers, not complex64"),
    ],
)
def test_unusable_inputs_are_refused(points: object, word: str) -> None:
    with pytest.raises(PointCloudError, match=word):
        PointCloudProcessor()(points)  # type: ignore[arg-type]


@pytest.mark.parametrize("points", [600, 3000])
def test_copies_of_points_do_not_weigh(points: int) -> None:
    points_N3, rng = cloud(points), np.random.default_rng(1)
    expected = PointCloudProcessor()(points_N3)
    for copies in (np.arange(points), rng.integers(points, size=points // 3), np.repeat(np.arange(10), 40)):
        doubled = np.concatenate([points_N3, points_N3[copies]])
        assert torch.equal(PointCloudProcessor()(doubled[rng.permutation(len(doubled))]), expected)


def test_zeros_of_either_sign_are_one_place() -> None:
    points_N3 = np.array([[0.0, 0, 0], [-0.0, 0, -0.0], [1, 0, 0]])
    assert PointCloudProcessor()(points_N3).shape == (2, 3)


LARGE = """
import resource
import numpy as np, torch
torch.set_num_threads(1)
from crossjepa import PointCloudProcessor
processor, rng = PointCloudProcessor(), np.random.default_rng(0)
clouds = [rng.normal(size=(points, 3)).astype(np.float32) for points in (150_000, 200_000, 180_000)]
processor(clouds[0][:2000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for cloud in clouds:
    processor(cloud)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of the memory as Linux counts it")
def test_large_clouds_take_a_few_times_their_memory() -> None:
    grown = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 100 * 1024, "KiB for clouds of 2 MiB"  # once 4 KiB per point: 800 MiB
