"""The cache as a store: what it keeps, what it refuses, and what its verification finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crossjepa.train.cache import (
    ARRAYS,
    check_cache,
    open_cache,
    partial_folder,
)


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
