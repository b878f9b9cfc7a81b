"""`crossjepa render`: folders of pictures with their cameras, complete or not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossjepa.cli.main import main
from crossjepa.datasets import open_dataset
from crossjepa.datasets.renderings import read_picture
from crossjepa.io import Mesh, read
from crossjepa.train.cache import CacheConfig, recipe_hash
from crossjepa.train.cache.recipe import make_recipe
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.render import View, color_histogram, render_mesh
from crossjepa.train.render.render_files import render_files
from crossjepa.train.render.views import RenderConfig
from tests.conftest import SAMPLES
from tests.helpers.teachers import small_teacher

CONFIG = RenderConfig(rig="mvcnn12", image_size=40, stored_points=128)


def views_of(folder: Path) -> dict[str, object]:
    views: dict[str, object] = json.loads((folder / "views.json").read_text())
    return views


def test_the_cameras_that_are_written_took_the_pictures(tmp_path: Path) -> None:
    config = RenderConfig(rig="r2n2", image_size=40, stored_points=128)
    result = render_files([SAMPLES / "chair.obj"], tmp_path, config)
    assert result.folders == [tmp_path / "chair"]
    written = views_of(tmp_path / "chair")
    views = written["views"]
    assert isinstance(views, list)
    assert len(views) == 24
    shape = read(SAMPLES / "chair.obj")
    assert isinstance(shape, Mesh)
    frame: dict[str, object] = written["frame"]  # type: ignore[assignment]
    vertices = (shape.vertices_V3 - np.array(frame["centroid"])) / frame["radius"]
    names = ("azimuth", "elevation", "roll", "distance", "fov")
    cameras = [View(*(view[name] for name in names)) for view in views[:3]]
    pictures = np.stack([read_picture(tmp_path / "chair" / view["image"]) for view in views[:3]])
    again = render_mesh(vertices.astype(np.float32), shape.faces_F3, cameras, size=40)
    assert np.abs(again.astype(int) - pictures).mean() < 0.05
    np.testing.assert_allclose(
        color_histogram(pictures), [view["histogram"] for view in views[:3]], atol=1e-6
    )
    points = np.load(tmp_path / "chair" / "points.npy")
    assert points.shape == (128, 3)
    assert np.linalg.norm(np.float32(points), axis=1).max() == pytest.approx(1, abs=2e-3)


def test_complete_renderings_stay_and_changed_ones_are_made_again(tmp_path: Path) -> None:
    source = tmp_path / "chair.obj"
    source.write_bytes((SAMPLES / "chair.obj").read_bytes())

    def stamp() -> int:
        render_files([source], tmp_path / "out", CONFIG)
        return (tmp_path / "out" / "chair" / "05.png").stat().st_mtime_ns

    first = stamp()
    assert stamp() == first
    source.write_bytes((SAMPLES / "horse.obj").read_bytes())
    second = stamp()
    assert second != first
    (tmp_path / "out" / "chair" / "views.json").unlink()
    assert stamp() != second
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["chair"]


@pytest.mark.parametrize("whole", [False, True])
def test_what_a_killed_call_has_left_is_no_object(tmp_path: Path, whole: bool) -> None:
    """Killed before or after the new folder got its name, and while another object was made."""
    for name in ("chair", "horse"):
        render_files([SAMPLES / f"{name}.obj"], tmp_path, CONFIG)
    chair = tmp_path / "chair"
    shutil.copytree(chair, tmp_path / ".chair.old")
    shutil.copytree(tmp_path / "horse", tmp_path / ".table.partial")
    if not whole:
        chair.rename(tmp_path / ".chair.partial")
        assert list(open_dataset([tmp_path]).names) == ["horse"]
    else:
        assert list(open_dataset([tmp_path]).names) == ["chair", "horse"]
    assert render_files([SAMPLES / "chair.obj", SAMPLES / "table.obj"], tmp_path, CONFIG).errors == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chair", "horse", "table"]


def test_recipes_are_those_of_earlier_versions(tmp_path: Path) -> None:
    """What an earlier version rendered or cached must be found complete, and go on."""
    before = {"rig": "orbit8", "image_size": 224, "supersample": 2, "stored_points": 4096, "seed": 0}
    assert recipe_hash(RenderConfig().facts()) == recipe_hash(before) == "c86e01709deb3bcd"
    render_files([SAMPLES / "chair.obj"], tmp_path, CONFIG)
    assert views_of(tmp_path / "chair")["recipe_hash"] == "6f8ed739a05f596b"
    path = small_teacher(tmp_path)
    recipe = make_recipe(open_dataset([SAMPLES]), CacheConfig(path), Teacher(path, 224))
    assert recipe["render"] == before


@pytest.mark.parametrize("command", ["render", "cache"])
@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, device: str
) -> None:
    words = [command, str(SAMPLES / "chair.obj"), "-o", str(tmp_path / "out"), "--device", device]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"crossjepa: error: device '{device}' cannot be used: ")
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_files_of_one_name_keep_apart(tmp_path: Path) -> None:
    files = tmp_path / "files"
    (files / "below").mkdir(parents=True)
    for name in ("a.obj", "below/a.obj"):
        (files / name).write_bytes((SAMPLES / "horse.obj").read_bytes())
    np.save(files / "a.npy", np.random.default_rng(0).normal(size=(50, 3)))
    result = render_files([files], tmp_path / "out", CONFIG)
    names = {folder.relative_to(tmp_path / "out").as_posix() for folder in result.folders}
    assert names == {"a.obj", "a.npy", "below/a"}


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.off").write_text("OFF\n3 1 0\n")
    inputs = [str(SAMPLES / "chair.obj"), str(tmp_path / "bad.off"), str(SAMPLES / "horse.obj")]
    options = ["--rig", "mvcnn12", "--size", "40", "--preview", str(tmp_path / "sheet.png")]
    assert main(["render", *inputs, "-o", str(tmp_path / "out"), *options]) == 1
    captured = capsys.readouterr()
    assert "views of 2 files" in captured.out
    assert captured.err.count("skipped") == 1
    assert "bad.off: its header promises" in captured.err
    assert not (tmp_path / "out" / "bad").exists()
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 12 * 128
        assert sheet.size[1] > 2 * 128


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("render", "{tmp}", "-o", "{tmp}/out"), "no point cloud"),
        (("render", "{chair}", "-o", "{tmp}/out", "--rig", "none"), "unknown rig"),
        (("render", "{chair}", "-o", "{tmp}/out", "--size", "0"), "--size"),
        (("cache", "{tmp}/none", "-o", "{tmp}/out", "--teacher", "x"), "no such file or folder"),
        (("cache", "{chair}", "-o", "{tmp}/out", "--teacher", "{tmp}/x.safetensors"), "no such teacher"),
        (("cache", "{chair}", "-o", "{tmp}/out", "--teacher", "no_such_model"), "no_such_model"),
        (("cache-info", "{tmp}/none"), "no cache"),
    ],
)
def test_mistakes_are_explained_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], word: str
) -> None:
    filled = [word.format(tmp=tmp_path, chair=SAMPLES / "chair.obj") for word in arguments]
    assert main(filled) == 2
    message = capsys.readouterr().err
    assert word in message
    assert len(message.splitlines()) == 1
    assert not list(tmp_path.iterdir())
