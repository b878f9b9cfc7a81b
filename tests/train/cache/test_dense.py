"""Dense targets: what is read at points, and a cache that keeps it like everything else.

V views, K points, M channels of the maps, C channels kept
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa.datasets import open_dataset
from crossjepa.train.cache import (
    ARRAYS,
    Cache,
    CacheConfig,
    DenseConfig,
    check_cache,
    make_cache,
    open_cache,
    partial_folder,
)
from crossjepa.train.cache.concat import JoinedCaches
from crossjepa.train.cache.dense import embed_densely, principal_components
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.render import View
from crossjepa.train.render.render_files import render_files
from crossjepa.train.render.views import RenderConfig, make_views
from crossjepa.train.render.visibility import see_points
from tests.conftest import SAMPLES
from tests.helpers.teachers import small_teacher

RENDER = RenderConfig(image_size=64, supersample=1, stored_points=128)
DENSE = DenseConfig(points=40, channels=6)
FILES = (*(f"{name}.npy" for name in (*ARRAYS, "dense", "dense_seen", "dense_basis")), "manifest.json")


@pytest.fixture(scope="module", params=["test_vit", "test_efficientnet"])
def teacher(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    return small_teacher(tmp_path_factory.mktemp("teacher"), request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, teacher: str) -> Path:
    """A finished cache with dense targets."""
    folder = tmp_path_factory.mktemp("dense") / "cache"
    make_cache(
        open_dataset([SAMPLES]), folder, CacheConfig(teacher, render=RENDER, dense=DENSE), progress=False
    )
    return folder


def assert_same_files(found: Path, expected: Path) -> None:
    assert sorted(path.name for path in found.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (found / name).read_bytes() == (expected / name).read_bytes(), name


def test_everything_else_is_as_without(folder: Path, teacher: str, tmp_path: Path) -> None:
    cache = open_cache(folder)
    plain = make_cache(
        open_dataset([SAMPLES]), tmp_path / "cache", CacheConfig(teacher, render=RENDER), progress=False
    )
    assert plain is not None
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(
        [*(f"{name}.npy" for name in ARRAYS), "manifest.json"]
    )
    for name in ("embeddings", "poses", "histograms", "points"):
        assert (folder / f"{name}.npy").read_bytes() == (tmp_path / "cache" / f"{name}.npy").read_bytes()
    without = {key: value for key, value in cache.manifest["recipe"].items() if key != "dense"}
    assert without == plain.manifest["recipe"]
    assert cache.hash != plain.hash
    assert (plain.dense_points, plain.dense_channels, plain.arrays) == (0, 0, ARRAYS)


def test_a_cache_holds_targets_of_the_first_points(folder: Path) -> None:
    cache = open_cache(folder)
    assert cache.dense_SKC is not None
    assert cache.dense_seen_SK is not None
    assert cache.dense_SKC.shape == (8, 40, 6)
    assert cache.dense_SKC.dtype == np.int8
    assert cache.manifest["dense"] == {"points": 40, "channels": 6}
    row_B = np.arange(8)
    seen_BK = cache.seen_of(row_B)
    assert 0.5 < seen_BK.mean() <= 1
    assert cache.dense_seen_SK.max() <= 8
    assert not cache.dense_SKC[~seen_BK].any()
    all_BK = np.tile(np.arange(40), (8, 1))
    values_RC = cache.dense_of(row_B, all_BK)[seen_BK]
    np.testing.assert_allclose(values_RC.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(values_RC.std(axis=0), 1, atol=0.1)
    few_BQK = cache.dense_of(row_B[2:4], np.array([[3, 1], [0, 39]]))
    np.testing.assert_array_equal(few_BQK[1, 1], cache.dense_SKC[3, 39] / np.float32(32))
    assert check_cache(folder).problems == []
    assert check_cache(folder).facts["dense"] == {"points": 40, "channels": 6}


@pytest.mark.parametrize("embedding", ["cls", "patch", "layers"])
def test_features_are_means_of_the_maps_over_the_views_that_see_a_point(embedding: str, teacher: str) -> None:
    views = make_views(open_dataset([SAMPLES])[0], 0, RENDER)
    model = Teacher(teacher, 64, embedding=embedding)  # type: ignore[arg-type]
    embeddings_VD, features = embed_densely(views, model, 40)
    np.testing.assert_array_equal(embeddings_VD, model.embed(views.images_VHW3).numpy())
    _, maps = model.embed_with_maps(views.images_VHW3)
    assert features.widths == tuple(map_VMHW.shape[1] for map_VMHW in maps)
    assert views.depth_VSS is not None
    cameras = [View(*map(float, pose_5)) for pose_5 in views.poses_V5]
    sight = see_points(views.points_P3[:40], cameras, views.depth_VSS)
    np.testing.assert_array_equal(features.seen_K, sight.seen_VK.sum(axis=0))
    for point in np.flatnonzero(features.seen_K)[:5]:
        seeing = np.flatnonzero(sight.seen_VK[:, point])
        found = [
            np.concatenate(
                [bilinear(map_VMHW[view].numpy(), sight.place_VK2[view, point]) for map_VMHW in maps]
            )
            for view in seeing
        ]
        np.testing.assert_allclose(features.features_KM[point], np.mean(found, axis=0), rtol=1e-3, atol=1e-4)
    assert not features.features_KM[torch.from_numpy(features.seen_K == 0)].any()


def bilinear(map_MHW: np.ndarray, place_2: np.ndarray) -> np.ndarray:
    """A map at a place from 0 to 1, where cells have their values at their centers."""
    height, width = map_MHW.shape[1:]
    x = np.clip(place_2[0] * width - 0.5, 0, width - 1)
    y = np.clip(place_2[1] * height - 0.5, 0, height - 1)
    left, up = min(int(x), max(width - 2, 0)), min(int(y), max(height - 2, 0))
    right, down = min(left + 1, width - 1), min(up + 1, height - 1)
    upper = map_MHW[:, up, left] * (1 - x + left) + map_MHW[:, up, right] * (x - left)
    lower = map_MHW[:, down, left] * (1 - x + left) + map_MHW[:, down, right] * (x - left)
    return np.asarray(upper * (1 - y + up) + lower * (y - up))


def test_principal_components_are_standardized_and_maps_count_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden_RC = torch.randn(500, 2, generator=generator)
    first_RM = hidden_RC[:, :1] @ torch.randn(1, 5, generator=generator)
    second_RM = 1000 * hidden_RC[:, 1:] @ torch.randn(1, 3, generator=generator)  # larger, but as important
    features_RM = torch.cat([first_RM, second_RM], dim=1) + 7
    basis_XM = torch.from_numpy(principal_components(features_RM, (5, 3), 3))
    found_RC = (features_RM - basis_XM[0]) @ basis_XM[1:].T
    torch.testing.assert_close(found_RC[:, :2].std(dim=0, correction=0), torch.ones(2), rtol=1e-3, atol=1e-3)
    assert float(found_RC[:, 2].abs().max()) < 1e-2, "a channel without variance stays 0"
    read_RC = torch.linalg.lstsq(found_RC[:, :2], hidden_RC).solution
    torch.testing.assert_close(found_RC[:, :2] @ read_RC, hidden_RC - hidden_RC.mean(0), rtol=0, atol=0.1)
    with pytest.raises(ValueError, match="no 9 channels can be had from 500 points and maps of 8 channels"):
        principal_components(features_RM, (5, 3), 9)


@pytest.mark.parametrize("name", ["dense.npy", "dense_seen.npy", "dense_basis.npy"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_flipped_byte_is_found(folder: Path, tmp_path: Path, name: str, share: float) -> None:
    shutil.copytree(folder, tmp_path / "cache")
    path = tmp_path / "cache" / name
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1
    path.write_bytes(content)
    assert check_cache(tmp_path / "cache").problems


def test_a_damaged_row_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "cache")
    cache = open_cache(tmp_path / "cache", writable=True)
    assert cache.dense_SKC is not None
    cache.dense_SKC[2, 5] ^= 1
    cache.dense_SKC.flush()  # type: ignore[attr-defined]
    assert f"1 damaged objects: {cache.manifest['names'][2]}" in check_cache(tmp_path / "cache").problems


def test_bad_objects_can_be_left_out_and_repaired(teacher: str, tmp_path: Path) -> None:
    files = tmp_path / "files"
    shutil.copytree(SAMPLES, files)
    (files / "bad.obj").write_text("v 0 0 0\nf 1 2 3\n")
    config, dataset = CacheConfig(teacher, render=RENDER, dense=DENSE), open_dataset([files])
    with pytest.raises(ValueError, match="1 of 9 objects cannot be used"):
        make_cache(dataset, tmp_path / "cache", config, progress=False)
    unfinished = open_cache(partial_folder(tmp_path / "cache"), writable=True)
    assert unfinished.basis_XM is not None
    # A damaged row is made again, the others stay.
    assert unfinished.dense_SKC is not None
    before = np.array(unfinished.dense_SKC)
    unfinished.dense_SKC[3] += 1
    cache = make_cache(dataset, tmp_path / "cache", config, skip_bad=True, progress=False)
    assert cache is not None
    assert cache.manifest["left_out"] == ["bad.obj"]
    bad = sorted(path.name for path in files.glob("*.obj")).index("bad.obj")
    assert cache.dense_SKC is not None
    np.testing.assert_array_equal(cache.dense_SKC, np.delete(before, bad, axis=0))
    assert check_cache(tmp_path / "cache").problems == []


@pytest.mark.slow
def test_several_processes_make_the_same_bytes(tmp_path: Path) -> None:
    """Of two teachers, a transformer and a convolutional network, and of dense targets of the first."""
    teachers = tuple(small_teacher(tmp_path, name) for name in ("test_vit", "test_efficientnet"))
    config = CacheConfig(teachers, ("cls", "layers"), render=RENDER, dense=DENSE)
    for name, workers in (("one", 1), ("two", 2)):
        make_cache(open_dataset([SAMPLES]), tmp_path / name, config, workers=workers, progress=False)
    assert_same_files(tmp_path / "two", tmp_path / "one")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize("until", ["manifest.json", "dense_basis.npy"])
def test_a_killed_cache_continues_to_the_same_bytes(
    folder: Path, teacher: str, tmp_path: Path, until: str
) -> None:
    """Killed while the basis is made, and while rows are made."""
    torch.set_num_threads(1)
    config, target = CacheConfig(teacher, render=RENDER, dense=DENSE), tmp_path / "cache"
    child = os.fork()
    if child == 0:
        make_cache(open_dataset([SAMPLES]), target, config, progress=False)
        os._exit(0)
    while not (partial_folder(target) / until).is_file():
        time.sleep(0.002)
    time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not target.exists()
    if until == "manifest.json":
        assert check_cache(target).problems == ["unfinished: 0 of 8 objects are done"]
    make_cache(open_dataset([SAMPLES]), target, config, progress=False)
    assert_same_files(target, folder)


def joined(first: Path, second: Path) -> JoinedCaches:
    return JoinedCaches([open_cache(first), open_cache(second)])


def test_caches_on_one_basis_can_be_joined(folder: Path, teacher: str, tmp_path: Path) -> None:
    few = open_dataset([SAMPLES / "chair.obj", SAMPLES / "horse.obj"])
    config = CacheConfig(teacher, render=RENDER, dense=replace(DENSE, points=30, basis=str(folder)))
    make_cache(few, tmp_path / "same", config, progress=False)
    both = joined(folder, tmp_path / "same")
    assert (both.dense_points, both.dense_channels) == (30, 6)
    row_B, point_BQ = np.array([9, 2, 8]), np.array([[1, 2], [29, 0], [5, 5]])
    alone = [(open_cache(tmp_path / "same"), 1), (open_cache(folder), 2), (open_cache(tmp_path / "same"), 0)]
    for place, (cache, row) in enumerate(alone):
        one = np.array([row])
        np.testing.assert_array_equal(both.seen_of(row_B)[place], cache.seen_of(one)[0, :30])
        np.testing.assert_array_equal(
            both.dense_of(row_B, point_BQ)[place], cache.dense_of(one, point_BQ[place : place + 1])[0]
        )
    with pytest.raises(ValueError, match="cache of another recipe"):  # its basis is that of other objects
        make_cache(few, tmp_path / "same", replace(config, dense=DENSE), progress=False)
    own = replace(config, dense=replace(DENSE, channels=4))
    make_cache(few, tmp_path / "own", own, progress=False)
    assert joined(folder, tmp_path / "own").dense_points == 0
    make_cache(few, tmp_path / "plain", replace(config, dense=None), progress=False)
    assert joined(folder, tmp_path / "plain").dense_points == 0


def test_what_does_not_fit_is_refused(folder: Path, teacher: str, tmp_path: Path) -> None:
    files = open_dataset([SAMPLES / "chair.obj"])

    def make(dense: DenseConfig, name: str = teacher) -> Cache | None:
        return make_cache(
            files, tmp_path / "cache", CacheConfig(name, render=RENDER, dense=dense), progress=False
        )

    with pytest.raises(ValueError, match="targets at 129 points, but only 128 points are stored"):
        make(DenseConfig(129))
    with pytest.raises(ValueError, match="dense channels must be at least 1, not 0"):
        make(DenseConfig(channels=0))
    with pytest.raises(ValueError, match="its dense targets have 6 channels, not 5"):
        make(DenseConfig(40, 5, str(folder)))
    shutil.rmtree(partial_folder(tmp_path / "cache"))
    other = small_teacher(tmp_path, "test_resnet")
    with pytest.raises(ValueError, match="its dense targets are of another teacher, test_"):
        make(replace(DENSE, basis=str(folder)), other)
    shutil.rmtree(partial_folder(tmp_path / "cache"))
    with pytest.raises(ValueError, match="no 64 channels can be had from"):
        make(DenseConfig(40))
    render_files([SAMPLES / "chair.obj"], tmp_path / "views", RENDER)
    config = CacheConfig(teacher, render=RENDER, dense=DENSE)
    with pytest.raises(ValueError, match="need pictures that are rendered here"):
        make_cache(open_dataset([tmp_path / "views"]), tmp_path / "other", config, progress=False)
