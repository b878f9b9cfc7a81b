"""Making a cache: what it holds, which objects are refused, and what is never replaced."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import Sample, open_dataset
from crossjepa.datasets.renderings import RenderingReader
from crossjepa.train.cache import (
    CacheConfig,
    check_cache,
    finish_cache,
    make_cache,
    open_cache,
    partial_folder,
)
from crossjepa.train.render.render_files import render_files
from tests.conftest import SAMPLES
from tests.helpers.teachers import RENDER


def test_the_same_command_again_changes_nothing(finished: Path, teacher: str) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in finished.iterdir()}
    make_cache(open_dataset([SAMPLES]), finished, CacheConfig(teacher, "both", RENDER), progress=False)
    assert {path.name: path.stat().st_mtime_ns for path in finished.iterdir()} == before
    assert [path.name for path in finished.parent.iterdir()] == ["cache"]
    with pytest.raises(ValueError, match="cache of another recipe"):
        make_cache(open_dataset([SAMPLES]), finished, CacheConfig(teacher, "cls", RENDER), progress=False)
    assert {path.name: path.stat().st_mtime_ns for path in finished.iterdir()} == before


def test_bad_objects_are_named_and_can_be_left_out(tmp_path: Path, teacher: str) -> None:
    files = tmp_path / "files"
    shutil.copytree(SAMPLES, files)
    (files / "bad.obj").write_text("v 0 0 0\nf 1 2 3\n")
    (files / "fine.ply").write_text("not a ply")
    config = CacheConfig(teacher, render=RENDER)
    with pytest.raises(ValueError, match=r"2 of 10 objects cannot be used") as raised:
        make_cache(open_dataset([files]), tmp_path / "cache", config, progress=False)
    assert "bad.obj: face 0 refers to" in str(raised.value)
    assert "fine.ply: has no PLY header" in str(raised.value)
    assert not (tmp_path / "cache").exists()
    cache = make_cache(open_dataset([files]), tmp_path / "cache", config, skip_bad=True, progress=False)
    assert cache is not None
    assert cache.manifest["left_out"] == ["bad.obj", "fine.ply"]
    assert list(cache.manifest["names"]) == sorted(path.name for path in SAMPLES.glob("*.obj"))
    assert check_cache(tmp_path / "cache").problems == []
    assert [path.name for path in tmp_path.iterdir() if "cache" in path.name] == ["cache"]


def test_objects_with_values_that_are_not_finite_are_bad_objects(tmp_path: Path, teacher: str) -> None:
    class Lost(RenderingReader):
        """Renderings of which the second object has lost a camera."""

        def read(self, row: int) -> Sample:
            sample = super().read(row)
            assert sample.renderings is not None
            sample.renderings.poses_V5[3, 3] = np.nan if row == 1 else 3
            return sample

    render_files([SAMPLES / "chair.obj", SAMPLES / "horse.obj"], tmp_path / "views", RENDER)
    opened, config = open_dataset([tmp_path / "views"]), CacheConfig(teacher, render=RENDER)
    reader = opened.reader
    assert isinstance(reader, RenderingReader)
    dataset = replace(opened, reader=Lost(reader.folders, reader.layout, reader.shapes, reader.views))
    with pytest.raises(ValueError, match="1 of 2 objects cannot be used") as raised:
        make_cache(dataset, tmp_path / "cache", config, progress=False)
    assert "horse: its poses are not finite" in str(raised.value)
    assert check_cache(tmp_path / "cache").problems == ["unfinished: 1 of 2 objects are done"]
    cache = make_cache(dataset, tmp_path / "cache", config, skip_bad=True, progress=False)
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
        make_cache(open_dataset([files]), folder, config, progress=False)
    cache = open_cache(partial_folder(folder), writable=True)
    whole = cache.embeddings_SVD[0]
    cache.embeddings_SVD[0] = np.full_like(whole, np.nan)
    assert cache.checksums_S is not None
    cache.checksums_S[0] = cache.row_checksum(0)
    with pytest.raises(ValueError, match=r"cache: chair.obj holds values that are not finite"):
        finish_cache(folder, leave_out=[2])
    made = make_cache(open_dataset([files]), folder, config, skip_bad=True, progress=False)
    assert made is not None
    np.testing.assert_array_equal(made.embeddings_SVD[0], whole)


def test_what_is_no_cache_is_never_replaced(tmp_path: Path, teacher: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="is not a cache"):
        make_cache(open_dataset([SAMPLES]), tmp_path / "cache", CacheConfig(teacher), progress=False)
    assert (tmp_path / "cache" / "thesis.txt").is_file()


def test_clouds_are_splatted(tmp_path: Path, teacher: str) -> None:
    points = np.random.default_rng(0).normal(size=(3, 40, 3))
    np.savez(tmp_path / "clouds.npz", points=points)
    dataset = open_dataset([tmp_path / "clouds.npz"], up_axis="z")
    cache = make_cache(dataset, tmp_path / "cache", CacheConfig(teacher, render=RENDER), progress=False)
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
    dataset = open_dataset([tmp_path / "views"])
    assert (list(dataset.names), dataset.views) == (["chair", "horse"], 12)
    cache = make_cache(dataset, tmp_path / "cache", CacheConfig(teacher, render=RENDER), progress=False)
    assert cache is not None
    views = json.loads((tmp_path / "views" / "horse" / "views.json").read_text())["views"]
    expected = [
        [view[name] for name in ("azimuth", "elevation", "roll", "distance", "fov")] for view in views
    ]
    np.testing.assert_allclose(cache.poses_SV5[1], expected, rtol=1e-6)
    histograms = [view["histogram"] for view in views]
    np.testing.assert_allclose(np.float32(cache.histograms_SVH[1]), histograms, atol=1e-3)
