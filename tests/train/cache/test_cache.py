"""The cache as a store: what it keeps, what it refuses, and what its verification finds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa.datasets.clouds import CloudArchive
from crossjepa.datasets.collection import Item
from crossjepa.datasets.file_folder import FileFolder
from crossjepa.datasets.open import open_collection
from crossjepa.datasets.renderings import RenderedObjects
from crossjepa.train.cache import (
    ARRAYS,
    Cache,
    CacheConfig,
    FloatRows,
    check_cache,
    finish_cache,
    from_bfloat16,
    make_cache,
    open_cache,
    partial_folder,
    start_cache,
    to_bfloat16,
)
from crossjepa.train.render.render_files import render_files
from crossjepa.train.render.views import RenderConfig
from tests.conftest import SAMPLES
from tests.helpers.teachers import small_teacher

RENDER = RenderConfig(image_size=32, supersample=1, stored_points=64, rig="mvcnn12")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, teacher: str) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "cache"
    make_cache(FileFolder(SAMPLES), folder, CacheConfig(teacher, "both", RENDER), progress=False)
    return folder


def fill(folder: Path, rows: int = 3, filled: int | None = None) -> Cache:
    generator = np.random.default_rng(0)
    start_cache(
        folder, [f"object {row}" for row in range(rows)], {"made": "here"}, views=2, points=5, width=4
    )
    cache = open_cache(partial_folder(folder), writable=True)
    for row in list(cache.missing_rows(0, 1))[:filled]:
        histograms = np.full((2, 48), 1 / 16)
        points = generator.uniform(-0.5, 0.5, (5, 3))
        cache.write_row(row, generator.normal(size=(2, 4)), np.ones((2, 5)), histograms, points)
    return cache


def test_bfloat16_rounds_as_torch_does() -> None:
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 3.4e38, 1e-40, 1.00390625, 1.01171875]
    values = np.concatenate([np.random.default_rng(0).normal(size=1000) * 100, special]).astype(np.float32)
    expected = torch.from_numpy(values).bfloat16()
    np.testing.assert_array_equal(from_bfloat16(to_bfloat16(values)), expected.float().numpy())
    bits = expected.view(torch.int16).numpy().view(np.uint16)
    same = to_bfloat16(values) == bits
    assert same[np.isfinite(values)].all()


@pytest.mark.parametrize("kind", [np.uint16, np.float16])
def test_rows_read_as_float32_however_they_are_kept(kind: type) -> None:
    rows = FloatRows(np.zeros((4, 2, 3), kind))
    rows[1] = np.full((2, 3), 1.5)
    assert (rows.shape, rows.ndim, len(rows)) == ((4, 2, 3), 3, 4)
    assert rows[1].dtype == np.float32
    np.testing.assert_array_equal(rows[np.array([1, 0]), np.array([[1], [0]])][0], [[1.5] * 3, [0] * 3])
    np.testing.assert_array_equal(np.asarray(rows, np.float64)[1], 1.5)
    assert np.isfinite(rows).all()


def test_a_finished_cache_holds_what_it_says(finished: Path) -> None:
    cache = open_cache(finished)
    assert cache.embeddings_SVD.shape == (8, 12, 128)
    assert cache.embeddings_SVD.stored.dtype == np.uint16
    assert cache.part("patch") == slice(64, 128)
    assert cache.manifest["recipe"]["render"]["rig"] == "mvcnn12"
    np.testing.assert_allclose(cache.poses_SV5[:, :, 0], np.tile(30.0 * np.arange(12), (8, 1)))
    np.testing.assert_allclose(
        np.linalg.norm(np.float32(cache.points_SP3), axis=-1).max(axis=1), 1, atol=2e-3
    )
    report = check_cache(finished)
    assert report.problems == []
    assert report.facts["objects"] == 8
    assert not partial_folder(finished).exists()


def test_the_same_command_again_changes_nothing(finished: Path, teacher: str) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in finished.iterdir()}
    make_cache(FileFolder(SAMPLES), finished, CacheConfig(teacher, "both", RENDER), progress=False)
    assert {path.name: path.stat().st_mtime_ns for path in finished.iterdir()} == before
    assert [path.name for path in finished.parent.iterdir()] == ["cache"]
    with pytest.raises(ValueError, match="cache of another recipe"):
        make_cache(FileFolder(SAMPLES), finished, CacheConfig(teacher, "cls", RENDER), progress=False)
    assert {path.name: path.stat().st_mtime_ns for path in finished.iterdir()} == before


@pytest.mark.parametrize("name", [*(f"{array}.npy" for array in ARRAYS), "manifest.json"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_flipped_byte_is_found_wherever_it_is(
    finished: Path, tmp_path: Path, name: str, share: float
) -> None:
    shutil.copytree(finished, tmp_path / "cache")
    path = tmp_path / "cache" / name
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1
    path.write_bytes(content)
    assert check_cache(tmp_path / "cache").problems


def test_damaged_objects_are_named(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "cache")
    cache = open_cache(tmp_path / "cache", writable=True)
    cache.points_SP3[2, 5] += 0.25
    cache.points_SP3.flush()  # type: ignore[attr-defined]
    problems = check_cache(tmp_path / "cache").problems
    assert "points.npy: its checksum is wrong" in problems
    assert f"1 damaged objects: {cache.manifest['names'][2]}" in problems


def test_caches_of_format_1_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    embeddings = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float16)
    arrays = {
        "embeddings": embeddings,
        "poses": np.ones((3, 2, 5), np.float32),
        "histograms": np.full((3, 2, 48), 1 / 16, np.float16),
        "points": np.zeros((3, 5, 3), np.float16),
        "done": np.ones(3, bool),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.asarray(array))
    manifest = {"format": 1, "recipe": {}, "recipe_hash": "x", "views": 2, "width": 4, "names": list("abc")}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    cache = open_cache(folder)
    np.testing.assert_array_equal(cache.embeddings_SVD[1:], embeddings[1:].astype(np.float32))
    assert check_cache(folder).problems == []


def test_torn_rows_are_made_again(tmp_path: Path) -> None:
    cache = fill(tmp_path / "cache")
    kept = cache.embeddings_SVD.stored[1].copy()
    cache.embeddings_SVD.stored[1, 0, 0] ^= 1
    assert cache.damaged_rows() == [1]
    assert (cache.damaged_rows(0, 2), cache.damaged_rows(1, 2)) == ([], [1])
    with pytest.raises(ValueError, match="row 1 is damaged"):
        finish_cache(tmp_path / "cache")
    cache.embeddings_SVD.stored[1] = kept
    finish_cache(tmp_path / "cache")


def test_unfinished_caches_are_reported(tmp_path: Path) -> None:
    start_cache(tmp_path / "cache", ["a", "b"], {}, views=2, points=5, width=4)
    report = check_cache(tmp_path / "cache")
    assert report.problems == ["unfinished: 0 of 2 objects are done"]
    with pytest.raises(FileNotFoundError, match="no cache"):
        check_cache(tmp_path / "none")


def test_unfinished_caches_are_no_caches_whatever_their_name(tmp_path: Path) -> None:
    fill(tmp_path / "cache", filled=2)
    shutil.copytree(partial_folder(tmp_path / "cache"), tmp_path / "renamed")
    for folder in (partial_folder(tmp_path / "cache"), tmp_path / "renamed"):
        with pytest.raises(FileNotFoundError, match="an unfinished cache, 2 of 3 objects are done"):
            open_cache(folder)
        assert check_cache(folder).problems == ["unfinished: 2 of 3 objects are done"]
    with pytest.raises(FileNotFoundError, match="an unfinished one is there"):
        open_cache(tmp_path / "cache")


def test_bad_objects_are_named_and_can_be_left_out(tmp_path: Path, teacher: str) -> None:
    files = tmp_path / "files"
    shutil.copytree(SAMPLES, files)
    (files / "bad.obj").write_text("v 0 0 0\nf 1 2 3\n")
    (files / "fine.ply").write_text("not a ply")
    config = CacheConfig(teacher, render=RENDER)
    with pytest.raises(ValueError, match=r"2 of 10 objects cannot be used") as raised:
        make_cache(FileFolder(files), tmp_path / "cache", config, progress=False)
    assert "bad.obj: face 0 refers to" in str(raised.value)
    assert "fine.ply: has no PLY header" in str(raised.value)
    assert not (tmp_path / "cache").exists()
    cache = make_cache(FileFolder(files), tmp_path / "cache", config, skip_bad=True, progress=False)
    assert cache is not None
    assert cache.manifest["left_out"] == ["bad.obj", "fine.ply"]
    assert list(cache.manifest["names"]) == sorted(path.name for path in SAMPLES.glob("*.obj"))
    assert check_cache(tmp_path / "cache").problems == []
    assert [path.name for path in tmp_path.iterdir() if "cache" in path.name] == ["cache"]


def test_objects_with_values_that_are_not_finite_are_bad_objects(tmp_path: Path, teacher: str) -> None:
    class Lost(RenderedObjects):
        """Renderings of which the second object has lost a camera."""

        def __getitem__(self, row: int) -> Item:
            item = super().__getitem__(row)
            assert item.renderings is not None
            item.renderings.poses_V5[3, 3] = np.nan if row == 1 else 3
            return item

    render_files([SAMPLES / "chair.obj", SAMPLES / "horse.obj"], tmp_path / "views", RENDER)
    opened, config = open_collection([tmp_path / "views"]), CacheConfig(teacher, render=RENDER)
    assert isinstance(opened, RenderedObjects)
    collection = Lost(opened.folders, opened.layout, opened.shapes)
    with pytest.raises(ValueError, match="1 of 2 objects cannot be used") as raised:
        make_cache(collection, tmp_path / "cache", config, progress=False)
    assert "horse: its poses are not finite" in str(raised.value)
    assert check_cache(tmp_path / "cache").problems == ["unfinished: 1 of 2 objects are done"]
    cache = make_cache(collection, tmp_path / "cache", config, skip_bad=True, progress=False)
    assert cache is not None
    assert (cache.manifest["names"], cache.manifest["left_out"]) == (["chair"], ["horse"])


def test_rows_that_are_not_finite_are_made_again(tmp_path: Path, teacher: str) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for name in ("chair.obj", "horse.obj"):
        shutil.copy(SAMPLES / name, files)
    (files / "zero.ply").write_text("not a ply")
    config, folder = CacheConfig(teacher, render=RENDER), tmp_path / "cache"
    with pytest.raises(ValueError, match="1 of 3 objects cannot be used"):
        make_cache(FileFolder(files), folder, config, progress=False)
    cache = open_cache(partial_folder(folder), writable=True)
    whole = cache.embeddings_SVD[0]
    cache.embeddings_SVD[0] = np.full_like(whole, np.nan)
    assert cache.checksums_S is not None
    cache.checksums_S[0] = cache.row_checksum(0)
    with pytest.raises(ValueError, match=r"cache: chair.obj holds values that are not finite"):
        finish_cache(folder, leave_out=[2])
    made = make_cache(FileFolder(files), folder, config, skip_bad=True, progress=False)
    assert made is not None
    np.testing.assert_array_equal(made.embeddings_SVD[0], whole)


def test_what_is_no_cache_is_never_replaced(tmp_path: Path, teacher: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="no cache"):
        make_cache(FileFolder(SAMPLES), tmp_path / "cache", CacheConfig(teacher), progress=False)
    assert (tmp_path / "cache" / "thesis.txt").is_file()


def test_clouds_are_splatted(tmp_path: Path, teacher: str) -> None:
    points = np.random.default_rng(0).normal(size=(3, 40, 3))
    np.savez(tmp_path / "clouds.npz", points=points)
    collection = CloudArchive(tmp_path / "clouds.npz", up_axis="z")
    cache = make_cache(collection, tmp_path / "cache", CacheConfig(teacher, render=RENDER), progress=False)
    assert cache is not None
    assert cache.points_SP3.shape == (3, 40, 3)
    # z up became y up; the order of the points is random.
    centered = points[0] - points[0].mean(axis=0)
    turned = (centered / np.linalg.norm(centered, axis=1).max())[:, [0, 2, 1]] * (1, 1, -1)
    found, expected = (np.sort(np.float32(array), axis=0) for array in (cache.points_SP3[0], turned))
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_our_own_renderings_give_the_cache_of_their_files(tmp_path: Path, teacher: str) -> None:
    result = render_files([SAMPLES / "chair.obj", SAMPLES / "horse.obj"], tmp_path / "views", RENDER)
    assert not result.errors
    collection = open_collection([tmp_path / "views"])
    assert (list(collection.names), collection.views) == (["chair", "horse"], 12)
    cache = make_cache(collection, tmp_path / "cache", CacheConfig(teacher, render=RENDER), progress=False)
    assert cache is not None
    views = json.loads((tmp_path / "views" / "horse" / "views.json").read_text())["views"]
    expected = [
        [view[name] for name in ("azimuth", "elevation", "roll", "distance", "fov")] for view in views
    ]
    np.testing.assert_allclose(cache.poses_SV5[1], expected, rtol=1e-6)
    histograms = [view["histogram"] for view in views]
    np.testing.assert_allclose(np.float32(cache.histograms_SVH[1]), histograms, atol=1e-3)
