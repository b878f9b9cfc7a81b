"""What is shown of shapes is what the encoder says of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder, PointCloudError
from crossjepa.io import Mesh, read
from crossjepa.view import Scene, make_scene
from tests.conftest import SAMPLES
from tests.helpers.heads import CLASSES, PARTS, with_head


def test_points_of_a_mesh_are_on_its_surface(scene: Scene) -> None:
    chair = scene.shapes[0]
    assert (chair.name, chair.kind, chair.count) == ("chair.obj", "mesh", 964)
    mesh = read(SAMPLES / "chair.obj")
    assert isinstance(mesh, Mesh)
    assert chair.points_N3.shape == chair.original_N3.shape == (400, 3)
    low_3, high_3 = mesh.vertices_V3.min(axis=0), mesh.vertices_V3.max(axis=0)
    assert (chair.original_N3 >= low_3 - 1e-9).all()
    assert (chair.original_N3 <= high_3 + 1e-9).all()
    assert np.ptp(chair.original_N3, axis=0) == pytest.approx(high_3 - low_3, rel=0.05)


def test_points_of_a_cloud_are_its_own_with_their_features(base: CrossJEPAEncoder) -> None:
    cloud_N3 = np.random.default_rng(0).normal(size=(600, 3))
    (shape,) = make_scene(base, cloud_N3, points=1000).shapes
    assert (shape.name, shape.kind, shape.count) == ("array 0", "cloud", 600)
    np.testing.assert_allclose(shape.original_N3, cloud_N3)
    features_NC = base.encode_points(cloud_N3)
    assert isinstance(features_NC, np.ndarray)
    # Components are a rotation: distances between features stay, but for what the last ones held.
    ours = np.linalg.norm(shape.coordinates_ND[1:] - shape.coordinates_ND[0], axis=1)
    theirs = np.linalg.norm(features_NC[1:] - features_NC[0], axis=1)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99
    (some,) = make_scene(base, cloud_N3, points=100).shapes
    assert {tuple(point) for point in some.original_N3} < {tuple(point) for point in cloud_N3}


def test_y_is_up_on_the_page_and_the_file_keeps_its_own_axis(base: CrossJEPAEncoder) -> None:
    cloud_N3 = np.random.default_rng(0).normal(size=(200, 3)) * (1, 1, 5)
    (shape,) = make_scene(base, cloud_N3, up_axis="z").shapes
    assert np.ptp(shape.points_N3, axis=0).argmax() == 1
    np.testing.assert_allclose(shape.original_N3, cloud_N3)


def test_predictions(tiny: CrossJEPAEncoder) -> None:
    files = [SAMPLES / "chair.obj", SAMPLES / "horse.obj"]
    model = with_head(tiny, CLASSES)
    scene = make_scene(model, files, points=50)
    assert [shape.label for shape in scene.shapes] == [answer.label for answer in model.predict(files)]
    assert len(np.unique(scene.point_colors(scene.shapes[0], "prediction"), axis=0)) == 1
    model = with_head(tiny, PARTS)
    scene = make_scene(model, files[0], points=50, label="a")
    assert scene.task == "partseg"
    assert set(scene.names) <= {"a/0", "a/1"}
    assert len(scene.name_colors_K3) == len(scene.names)
    with pytest.raises(ValueError, match="class"):
        make_scene(model, files[0], points=50)


def test_mistakes(base: CrossJEPAEncoder, scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no head"):
        scene.point_colors(scene.shapes[0], "prediction")
    with pytest.raises(ValueError, match="must be one of"):
        scene.point_colors(scene.shapes[0], "red")
    with pytest.raises(ValueError, match="at least 1"):
        make_scene(base, SAMPLES / "chair.obj", points=0)
    with pytest.raises(PointCloudError, match="no such file"):
        make_scene(base, [tmp_path / "none.ply"])
    with pytest.warns(UserWarning, match="skipped"), pytest.raises(ValueError, match="nothing to show"):
        make_scene(base, [tmp_path / "none.ply"], on_error="skip")
