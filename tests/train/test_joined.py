"""Several caches read as one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa.train.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.data import Batches
from crossjepa.train.joined import JoinedCaches, open_caches
from crossjepa.train.pretrain import RunOptions, pretrain
from tests.train.small_cache import CONFIG, make_cache

QUIET = RunOptions(device="cpu", progress=False, probe_every=6)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two caches of one teacher: the second has fewer objects, of fewer points."""
    folder = tmp_path_factory.mktemp("caches")
    make_cache(folder / "many")
    make_cache(folder / "few", objects=12, points=64, seed=1)
    return folder / "many", folder / "few"


def test_rows_are_those_of_the_caches(folders: tuple[Path, Path]) -> None:
    many, few = (open_caches(folder) for folder in folders)
    both = open_caches(f"{folders[0]},{folders[1]}")
    assert isinstance(both, JoinedCaches)
    assert len(both) == 28 + 12
    row_B = np.array([30, 2, 39, 27, 28])
    np.testing.assert_array_equal(both.embeddings_of(row_B)[1], many.embeddings_of(np.array([2]))[0])
    np.testing.assert_array_equal(
        both.embeddings_of(row_B)[[0, 2, 4]], few.embeddings_of(np.array([2, 11, 0]))
    )
    points_BP3 = both.points_of(row_B)
    assert points_BP3.shape == (5, 256, 3)
    np.testing.assert_array_equal(points_BP3[3], many.points_of(np.array([27]))[0])
    np.testing.assert_array_equal(points_BP3[4], np.tile(few.points_of(np.array([0]))[0], (4, 1)))
    view_BV = np.array([[0, 3], [1, 2], [3, 3], [2, 0], [1, 0]])
    views = both.views_of(row_B, view_BV)
    for place, (cache, row) in enumerate([(few, 2), (many, 2), (few, 11), (many, 27), (few, 0)]):
        alone = cache.views_of(np.array([row]), view_BV[place : place + 1])
        for part, expected in zip(views, alone, strict=True):
            np.testing.assert_array_equal(part[place], expected[0])


def test_a_run_sees_both_and_goes_on_with_both_alone(folders: tuple[Path, Path], tmp_path: Path) -> None:
    config = replace(
        CONFIG, cache=f"{folders[0]},{folders[1]}", contrast_with="cache", target_scaling="whiten"
    )
    batches = Batches(open_caches(config.cache), config)
    seen = torch.cat([batches(step).embeddings_BVD[:, 0, 0] for step in range(batches.steps_per_epoch)])
    assert len(seen) == 32
    pretrain(config, tmp_path, replace(QUIET, stop_after=5))
    with pytest.raises(ValueError, match="another cache, objects"):
        pretrain(replace(config, cache=str(folders[0])), tmp_path, QUIET)
    pretrain(config, tmp_path, QUIET)
    assert load_checkpoint(checkpoints(tmp_path)[-1])["step"] == 12


def test_caches_that_do_not_fit_together_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    make_cache(tmp_path / "other", teacher="another")
    with pytest.raises(ValueError, match=r"cannot be joined, the teacher differs: \['none', 'another'\]"):
        open_caches(f"{folders[0]},{tmp_path / 'other'}")
    with pytest.raises(FileNotFoundError, match="nowhere: no cache"):
        open_caches(f"{folders[0]},{tmp_path / 'nowhere'}")
