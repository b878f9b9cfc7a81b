"""How a cache starts and how it is finished."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from crossjepa.train.cache import finish_cache, partial_folder, start_cache
from tests.helpers.kills import files_of_at_most
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


def start_large(folder: Path) -> Path:
    """Starts a cache whose embeddings take 1.6 MB."""
    names = [f"object {row}" for row in range(100)]
    return start_cache(folder, names, {"made": "here"}, views=8, points=5, width=1000)


@pytest.mark.skipif(os.name == "nt", reason="needs limits of file sizes")
def test_a_cache_takes_its_room_before_it_starts(tmp_path: Path) -> None:
    with files_of_at_most(1_000_000), pytest.raises(OSError) as caught:
        start_large(tmp_path / "cache")
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(partial_folder(tmp_path / "cache"))
    assert "the arrays need 1.7 MB" in str(caught.value.strerror)
    assert list(tmp_path.iterdir()) == []
    embeddings = start_large(tmp_path / "cache") / "embeddings.npy"
    assert embeddings.stat().st_blocks * 512 >= 1_600_000
    # As versions before left them: a file with a hole, which the next run fills.
    size = embeddings.stat().st_size
    content = embeddings.read_bytes()[:128]
    embeddings.write_bytes(content)
    os.truncate(embeddings, size)
    start_large(tmp_path / "cache")
    assert embeddings.stat().st_blocks * 512 >= 1_600_000
    assert embeddings.read_bytes()[:128] == content
