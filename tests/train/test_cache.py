"""The cache of embeddings: refused while it is unfinished, from another recipe, or damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa.train.cache import finish_cache, open_cache, partial_folder, start_cache


def test_unfinished_caches_are_named(tmp_path: Path) -> None:
    start_cache(tmp_path / "cache", ["a", "b"], {"rig": 1}, views=2, points=4, width=3)
    with pytest.raises(FileNotFoundError, match="unfinished"):
        open_cache(tmp_path / "cache")
    with pytest.raises(ValueError, match="2 of 2 objects are missing"):
        finish_cache(tmp_path / "cache")
    with pytest.raises(ValueError, match="another recipe"):
        start_cache(tmp_path / "cache", ["a", "b"], {"rig": 2}, views=2, points=4, width=3)
    start_cache(tmp_path / "cache", ["a", "b"], {"rig": 1}, views=2, points=4, width=3)
    cache = open_cache(partial_folder(tmp_path / "cache"), writable=True)
    for row in cache.missing_rows(0, 1):
        cache.write_row(row, np.full((2, 3), np.nan), np.zeros((2, 5)), np.zeros((2, 48)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="not finite"):
        finish_cache(tmp_path / "cache")
