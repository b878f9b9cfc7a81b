"""What the verification of a cache finds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from crossjepa.train.cache import (
    check_cache,
    finish_cache,
    open_cache,
    partial_folder,
    start_cache,
)
from tests.helpers.small_cache import fill_cache


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


def test_unfinished_caches_are_reported(tmp_path: Path) -> None:
    start_cache(tmp_path / "cache", ["a", "b"], {}, views=2, points=5, width=4)
    report = check_cache(tmp_path / "cache")
    assert report.problems == ["unfinished: 0 of 2 objects are done"]
    with pytest.raises(FileNotFoundError, match="no cache"):
        check_cache(tmp_path / "none")


def test_unfinished_caches_are_no_caches_whatever_their_name(tmp_path: Path) -> None:
    fill_cache(tmp_path / "cache", filled=2)
    shutil.copytree(partial_folder(tmp_path / "cache"), tmp_path / "renamed")
    for folder in (partial_folder(tmp_path / "cache"), tmp_path / "renamed"):
        with pytest.raises(FileNotFoundError, match="an unfinished cache, 2 of 3 objects are done"):
            open_cache(folder)
        assert check_cache(folder).problems == ["unfinished: 2 of 3 objects are done"]
    with pytest.raises(FileNotFoundError, match="an unfinished one exists"):
        open_cache(tmp_path / "cache")


def test_a_finished_cache_without_damage_has_no_problems(tmp_path: Path) -> None:
    fill_cache(tmp_path / "cache")
    finish_cache(tmp_path / "cache")
    report = check_cache(tmp_path / "cache")
    assert report.problems == []
    assert (report.facts["objects"], report.facts["views"], report.facts["embedding"]) == (
        3,
        2,
        "4 x bfloat16",
    )
