"""Several caches read as one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossjepa.train.cache import Cache, start_cache
from crossjepa.train.cache.concat import JoinedCaches, open_caches
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.config import RunOptions
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.ends import assert_same_weights
from tests.helpers.small_cache import CONFIG, PARTS, TEACHER, TEACHERS, make_cache

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


def test_a_run_sees_every_object_of_both_once_an_epoch(folders: tuple[Path, Path]) -> None:
    config = CONFIG.change(cache=f"{folders[0]},{folders[1]}", held_out=0, views_per_step=4)
    batches = Batches(open_caches(config.data.cache), config)
    seen_SVD = torch.cat([batches(step).embeddings_BVD for step in range(batches.steps_per_epoch)])
    caches = zip(folders, (28, 12), strict=True)
    all_SVD = np.concatenate([open_caches(folder).embeddings_of(np.arange(rows)) for folder, rows in caches])
    seen_S, all_S = (values.sum(dim=(1, 2)).sort().values for values in (seen_SVD, torch.from_numpy(all_SVD)))
    assert len(torch.unique(all_S)) == 40
    torch.testing.assert_close(seen_S, all_S)


@pytest.mark.slow
def test_a_run_on_both_goes_on_to_the_bit_and_with_both_alone(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    both = f"{folders[0]},{folders[1]}"
    config = CONFIG.change(cache=both, contrast_with="cache", target_scaling="whiten")
    pretrain(config, tmp_path / "whole", QUIET)
    pretrain(config, tmp_path / "parts", replace(QUIET, stop_after=5))
    with pytest.raises(ValueError, match="other values of cache, objects"):
        pretrain(config.change(cache=str(folders[0])), tmp_path / "parts", QUIET)
    pretrain(config, tmp_path / "parts", QUIET)
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": 3}, r"their views differ: \[4, 3\]"),
        (
            {"teacher": {**TEACHER, "embedding": "patch"}},
            r"their teachers' embedding differ: \['cls', 'patch'\]",
        ),
        ({"teacher": {**TEACHER, "weights_sha256": "1"}}, r"their teachers' weights_sha256 differ"),
        ({"teacher": "another.safetensors"}, r"their teachers differ: \['blobs', 'another'\]"),
        ({}, "the same cache twice"),
    ],
)
def test_caches_that_do_not_fit_together_are_refused(
    folders: tuple[Path, Path], tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    make_cache(tmp_path / "other", **options)
    with pytest.raises(ValueError, match=message):
        open_caches(f"{folders[0]},{tmp_path / 'other'}")


def test_an_old_cache_that_knows_its_teacher_by_name_is_joined(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    make_cache(tmp_path / "old", teacher="blobs.safetensors", seed=2)
    assert len(open_caches(f"{tmp_path / 'old'}, {folders[1]}")) == 28 + 12


def test_nothing_is_learned_from_an_unfinished_cache(folders: tuple[Path, Path], tmp_path: Path) -> None:
    names = [f"object {number}" for number in range(28)]
    partial = start_cache(tmp_path / "half", names, {"teacher": TEACHER}, views=4, points=64, width=16)
    for cache in (str(partial), f"{folders[0]},{partial}"):
        with pytest.raises(FileNotFoundError, match="an unfinished cache, 0 of 28 objects are done"):
            pretrain(CONFIG.change(cache=cache), tmp_path / "run", QUIET)


def test_commas_divide_folders_unless_they_are_part_of_a_name(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    make_cache(tmp_path / "one,two")
    assert isinstance(open_caches(tmp_path / "one,two"), Cache)
    with pytest.raises(FileNotFoundError, match="nowhere: no cache"):
        open_caches(f"{folders[0]},{tmp_path / 'nowhere'}")
    with pytest.raises(ValueError, match="a comma with no cache beside it"):
        open_caches(f"{folders[0]},")


def test_caches_of_the_same_several_teachers_are_read_as_one(tmp_path: Path) -> None:
    make_cache(tmp_path / "a", teacher=TEACHERS, parts=PARTS)
    renamed = [{**TEACHERS[0], "name": "balls"}, TEACHERS[1]]
    make_cache(
        tmp_path / "b", teacher=renamed, parts={"balls": (0, 10), "lumps": (10, 16)}, objects=12, seed=1
    )
    both = open_caches(f"{tmp_path / 'a'},{tmp_path / 'b'}")
    assert [(teacher.name, teacher.width) for teacher in both.teachers] == [("blobs", 10), ("lumps", 6)]
    pretrain(CONFIG.change(cache=f"{tmp_path / 'a'},{tmp_path / 'b'}"), tmp_path / "run", QUIET)
    make_cache(tmp_path / "one")
    with pytest.raises(ValueError, match=r"their teachers differ: \['blobs\+lumps', 'blobs'\]"):
        open_caches(f"{tmp_path / 'a'},{tmp_path / 'one'}")
    other = [TEACHERS[0], {**TEACHERS[1], "embedding": "cls"}]
    make_cache(tmp_path / "other", teacher=other, parts=PARTS)
    with pytest.raises(
        ValueError, match=r"teachers' embedding differ: \[\['cls', 'layers'\], \['cls', 'cls'\]\]"
    ):
        open_caches(f"{tmp_path / 'a'},{tmp_path / 'other'}")
