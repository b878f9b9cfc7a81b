"""How a cache starts and how it is finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa.train.cache import (
    finish_cache,
    start_cache,
)
from tests.helpers.small_cache import fill_cache


def test_torn_rows_are_made_again(tmp_path: Path) -> None:
    cache = fill_cache(tmp_path / "cache")
    kept = cache.embeddings_SVD.stored[1].copy()
    cache.embeddings_SVD.stored[1, 0, 0] ^= 1
    assert cache.damaged_rows() == [1]
    assert (cache.damaged_rows(0, 2), cache.damaged_rows(1, 2)) == ([], [1])
    with pytest.raises(ValueError, match="row 1 is damaged"):
        finish_cache(tmp_path / "cache")
    cache.embeddings_SVD.stored[1] = kept
    finish_cache(tmp_path / "cache")


def test_unfinished_caches_of_another_recipe_or_size_are_refused(tmp_path: Path) -> None:
    fill_cache(tmp_path / "cache", filled=1)
    names = [f"object {row}" for row in range(3)]
    for recipe, views, reason in (
        ({"made": "elsewhere"}, 2, "unfinished cache of another recipe"),
        ({"made": "here"}, 3, "unfinished cache of 2 views per object, not 3"),
    ):
        with pytest.raises(ValueError, match=reason):
            start_cache(tmp_path / "cache", names, recipe, views=views, points=5, width=4)
    fill_cache(tmp_path / "cache")
    assert len(finish_cache(tmp_path / "cache")) == 3


def test_missing_rows_are_refused_unless_they_are_left_out(tmp_path: Path) -> None:
    fill_cache(tmp_path / "cache", filled=2)
    with pytest.raises(ValueError, match="1 of 3 objects are missing"):
        finish_cache(tmp_path / "cache")
    cache = finish_cache(tmp_path / "cache", leave_out=[2])
    assert (cache.manifest["names"], cache.manifest["left_out"]) == (["object 0", "object 1"], ["object 2"])
