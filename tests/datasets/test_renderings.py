"""Renderings in the layouts in which they are published, written here line by line."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crossjepa.datasets import open_dataset
from crossjepa.datasets.renderings import open_renderings
from crossjepa.io import PointCloud, PointCloudError
from crossjepa.train.render import View
from crossjepa.train.render.camera import project
from crossjepa.train.render.render_files import render_files
from crossjepa.train.render.views import RenderConfig
from tests.conftest import SAMPLES

SYNSETS = {"02691156": ("10155655850468db78d106ce0a280f87", "u1.2"), "03001627": ("a bc",)}
MODELS = sorted(f"{synset}/{model}" for synset, models in SYNSETS.items() for model in models)


def write_pictures(folder: Path, count: int, size: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        picture = np.zeros((size, size, 4), np.uint8)
        picture[10:40, 10 : 20 + number] = (200, number, 30, 255)
        picture[50:60, 50:60] = (0, 0, 0, 128)
        Image.fromarray(picture).save(folder / f"{number:02d}.png")


def write_r2n2(root: Path, views: int = 24) -> NDArray[np.float64]:
    """3D-R2N2, as CrossPoint distributes it: five numbers a line, and the list of pictures."""
    generator = np.random.default_rng(0)
    tables = []
    for name in MODELS:
        folder = root / name / "rendering"
        write_pictures(folder, views, 137)
        drawn = generator.uniform((0, 25, 0.65), (360, 30, 0.95), (views, 3))
        lines = [f"{azimuth} {elevation} 0 {share} 25\n" for azimuth, elevation, share in drawn.tolist()]
        (folder / "rendering_metadata.txt").write_text("".join(lines))
        (folder / "renderings.txt").write_text("".join(f"{number:02d}.png\n" for number in range(views)))
        tables.append(drawn)
    return np.stack(tables)


def write_disn(root: Path, views: int = 36) -> NDArray[np.float64]:
    """DISN: ten numbers a line, in brackets, with a comma and a space at its end."""
    generator = np.random.default_rng(1)
    tables = []
    for name in MODELS:
        for difficulty in ("easy", "hard"):
            folder = root / "image" / name / difficulty
            write_pictures(folder, views, 224)
            drawn = generator.uniform((0, 0, 0.6), (365, 45, 1), (views, 3))
            shift = generator.uniform(-0.2, 0.2, (views, 3)) * (difficulty == "hard")
            lines = [
                f"[{a},{e},0,{d},35,32,1.75,{x},{y},{z}], \n"
                for a, e, d, x, y, z in np.concatenate([drawn, shift], axis=1).tolist()
            ]
            (folder / "rendering_metadata.txt").write_text("".join(lines))
            tables.append(np.concatenate([drawn, shift], axis=1))
    return np.stack(tables).reshape(len(MODELS), 2, views, 6)


def write_clouds(root: Path) -> None:
    """As CrossPoint keeps them: one file per object, under its synset."""
    generator = np.random.default_rng(2)
    for name in MODELS:
        path = root / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, generator.normal(size=(50, 3)))


def blender_pixels(
    points_N3: NDArray[np.float64], azimuth: float, elevation: float, distance: float, size: int
) -> NDArray[np.float64]:
    """Where Blender draws points of an object with y up, for the angles of both sets.

    The object is turned from y up to z up. The camera, at first on the x axis, is turned by -elevation about
    y and then by -azimuth about z, and looks at the origin with its top toward z. Its lens has 35 mm before
    a sensor of 32 mm.
    """
    x_N, y_N, z_N = points_N3.T
    world_N3 = np.stack([x_N, -z_N, y_N], axis=1)
    a, e = math.radians(azimuth), math.radians(elevation)
    back_3 = np.array([math.cos(e) * math.cos(a), -math.cos(e) * math.sin(a), math.sin(e)])
    right_3 = np.cross([0, 0, 1], back_3)
    right_3 /= np.linalg.norm(right_3)
    camera_N3 = world_N3 @ np.stack([right_3, np.cross(back_3, right_3), back_3], axis=1)
    depth_N1 = distance - camera_N3[:, 2:]
    return np.asarray(size / 2 + 35 / 32 * size * camera_N3[:, :2] / depth_N1 * (1, -1))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    np.save(folder / "r2n2.npy", write_r2n2(folder / "ShapeNetRendering"))
    np.save(folder / "disn.npy", write_disn(folder / "DISN"))
    write_clouds(folder / "ShapeNet")
    return folder


def test_r2n2(published: Path) -> None:
    dataset = open_dataset([published / "ShapeNetRendering"])
    assert list(dataset.names) == MODELS
    assert dataset.views == 24
    drawn = np.load(published / "r2n2.npy")
    points_N3 = np.random.default_rng(0).uniform(-0.25, 0.25, (20, 3))
    for row, name in enumerate(MODELS):
        sample = dataset[row]
        assert isinstance(sample.shape, PointCloud)
        np.testing.assert_array_equal(sample.shape.points_N3, np.load(published / "ShapeNet" / f"{name}.npy"))
        assert sample.renderings is not None
        assert sample.renderings.images_VHW3.shape == (24, 137, 137, 3)
        for pose, (azimuth, elevation, share) in zip(sample.renderings.poses_V5, drawn[row], strict=True):
            # Poses are in radii of objects whose diagonal is 1.
            pixels, _ = project(points_N3 / 0.5, View(*map(float, pose)), 137)
            expected = blender_pixels(points_N3, azimuth, elevation, 1.75 * share, 137)
            np.testing.assert_allclose(pixels, expected, atol=1e-3)
            assert pose[2] == 0


@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_disn(published: Path, difficulty: str) -> None:
    dataset = open_dataset([published / "DISN"], shapes=published / "ShapeNet", difficulty=difficulty)
    assert list(dataset.names) == MODELS
    drawn = np.load(published / "disn.npy")[:, int(difficulty == "hard")]
    for row in range(len(MODELS)):
        renderings = dataset[row].renderings
        assert renderings is not None
        assert renderings.images_VHW3.shape == (36, 224, 224, 3)
        for pose, (azimuth, elevation, share, *shift) in zip(renderings.poses_V5, drawn[row], strict=True):
            assert 0 <= pose[0] < 360
            # The camera's place relative to the object, shifted in Blender's axes.
            a, e = math.radians(azimuth), math.radians(elevation)
            place = 1.75 * share * np.array(
                [math.cos(e) * math.cos(a), -math.cos(e) * math.sin(a), math.sin(e)]
            ) - np.array(shift)
            expected = np.array([place[0], place[2], -place[1]]) / 0.5
            np.testing.assert_allclose(View(*map(float, pose)).position(), expected, atol=1e-4)


def test_transparent_pixels_are_white(published: Path) -> None:
    renderings = open_dataset([published / "ShapeNetRendering"])[0].renderings
    assert renderings is not None
    image = renderings.images_VHW3[3]
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[20, 22].tolist() == [200, 3, 30]
    assert image[55, 55, 0] == pytest.approx(127, abs=1)


@pytest.mark.parametrize("layout", ["{}/{}/model.npy", "{}-{}.npy", "deep/{}/{}/models/model_normalized.npy"])
def test_shapes_are_found_by_synset_and_model(published: Path, tmp_path: Path, layout: str) -> None:
    for name in MODELS:
        path = tmp_path / layout.format(*name.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((published / "ShapeNet" / f"{name}.npy").read_bytes())
    dataset = open_renderings(published / "ShapeNetRendering", tmp_path)
    assert dataset is not None
    assert list(dataset.names) == MODELS


def test_objects_without_a_shape(published: Path, tmp_path: Path) -> None:
    root = published / "ShapeNetRendering"
    with pytest.raises(ValueError, match="--shapes"):
        open_renderings(root, tmp_path / "none")
    kept, missing = MODELS[0], MODELS[1:]
    path = tmp_path / f"{kept}.npy"
    path.parent.mkdir(parents=True)
    np.save(path, np.eye(3))
    with pytest.raises(ValueError, match=f"2 of 3 objects, such as {missing[0]}"):
        open_renderings(root, tmp_path)
    dataset = open_renderings(root, tmp_path, skip_unpaired=True)
    assert dataset is not None
    assert dataset.names == (kept,)


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda folder: (folder / "03.png").unlink(), "03.png: no such file"),
        (lambda folder: (folder / "03.png").write_bytes(b"\x89PNG\r\n"), "03.png: not a readable picture"),
        (lambda folder: (folder / "rendering_metadata.txt").write_text("1 2 3\n"), "expected 5 numbers"),
        (lambda folder: (folder / "rendering_metadata.txt").write_text("1 25 0 x 25\n"), "cannot be read"),
        (lambda folder: (folder / "rendering_metadata.txt").write_text("1 25 0 0.7 25\n2 3"), "found 2"),
        (lambda folder: (folder / "rendering_metadata.txt").write_text("1 nan 0 1 25\n"), "not finite"),
        (lambda folder: (folder / "rendering_metadata.txt").write_text("1 25 0 1e99 25\n"), "not finite"),
        (lambda folder: (folder / "rendering_metadata.txt").write_text("\n"), "no views"),
        (
            lambda folder: (folder / "rendering_metadata.txt").write_text("1 25 0 0.7 25\n"),
            "1 views, most objects have 4",
        ),
        (lambda folder: Image.new("RGB", (9, 9)).save(folder / "03.png"), "different sizes"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: object, word: str) -> None:
    write_r2n2(tmp_path / "ShapeNetRendering", views=4)
    write_clouds(tmp_path / "ShapeNet")
    dataset = open_dataset([tmp_path / "ShapeNetRendering"])
    damage(tmp_path / "ShapeNetRendering" / MODELS[1] / "rendering")  # type: ignore[operator]
    with pytest.raises(PointCloudError, match=word) as raised:
        dataset[1]
    assert MODELS[1] in str(raised.value)
    assert dataset[0].renderings is not None


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("table", ["", "1 25 0 0.7 25\n", "1 25 0 0.7 25\n" * 5])
def test_one_bad_table_does_not_make_the_others_bad(tmp_path: Path, row: int, table: str) -> None:
    write_r2n2(tmp_path / "ShapeNetRendering", views=4)
    write_clouds(tmp_path / "ShapeNet")
    (tmp_path / "ShapeNetRendering" / MODELS[row] / "rendering" / "rendering_metadata.txt").write_text(table)
    dataset = open_dataset([tmp_path / "ShapeNetRendering"])
    assert dataset.views == 4
    with pytest.raises(PointCloudError, match=MODELS[row]):
        dataset[row]
    for other in {0, 1, 2} - {row}:
        assert dataset[other].renderings is not None


def test_a_tree_without_a_good_table_is_refused(tmp_path: Path) -> None:
    write_r2n2(tmp_path / "ShapeNetRendering", views=2)
    write_clouds(tmp_path / "ShapeNet")
    for name in MODELS:
        (tmp_path / "ShapeNetRendering" / name / "rendering" / "rendering_metadata.txt").write_text("1 2\n")
    with pytest.raises(PointCloudError, match="expected 5 numbers"):
        open_dataset([tmp_path / "ShapeNetRendering"])


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        # Another camera, a picture of another size, and another cloud of as many points.
        ("ShapeNetRendering/{}/rendering/rendering_metadata.txt", b"25\n", b"26\n"),
        ("ShapeNetRendering/{}/rendering/02.png", b"IEND", b"IEND "),
        ("ShapeNet/{}.npy", b"", None),
    ],
)
def test_contents_follow_cameras_pictures_and_shapes(
    tmp_path: Path, file: str, old: bytes, new: bytes | None
) -> None:
    write_r2n2(tmp_path / "ShapeNetRendering", views=3)
    write_clouds(tmp_path / "ShapeNet")
    before = open_dataset([tmp_path / "ShapeNetRendering"])
    prints = before.fingerprints()
    contents = before.contents(prints)
    shutil.copytree(tmp_path / "ShapeNet", tmp_path / "copy")
    for path in tmp_path.rglob("*.*"):
        path.touch()
    root = tmp_path / "ShapeNetRendering"
    moved = open_dataset([root], shapes=tmp_path / "copy")
    assert moved.contents(moved.fingerprints()) == contents
    path = tmp_path / file.format(MODELS[1])
    if new is None:
        np.save(path, np.load(path)[::-1])
    else:
        path.write_bytes(path.read_bytes().replace(old, new, 1))
    after = open_dataset([root])
    assert after.contents(after.fingerprints()) != contents
    # An unfinished cache continues with all other objects.
    assert after.facts() == before.facts()
    assert [row for row, old in enumerate(prints) if after.fingerprint(row) != old] == [1]


def test_our_own_pictures_from_other_cameras_are_other_contents(tmp_path: Path) -> None:
    def contents(seed: int) -> dict[str, Any]:
        config = RenderConfig(rig="r2n2", image_size=16, stored_points=32, seed=seed)
        render_files([SAMPLES / "horse.obj"], tmp_path, config)
        dataset = open_dataset([tmp_path])
        return dict(dataset.contents(dataset.fingerprints()))

    first = contents(0)
    assert contents(1) != first
    assert contents(0) == first
