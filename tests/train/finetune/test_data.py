"""Data sets of a task, and their clouds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import load
from crossjepa.train.finetune import FinetuneConfig
from crossjepa.train.finetune.data import open_data, read_clouds
from crossjepa.train.finetune.tasks import make_task
from tests.helpers.finetune_data import write_parts


def test_data_that_cannot_be_learned(folder: Path, tiny: CrossJEPAEncoder) -> None:
    dataset, task = load("folder", folder), make_task(FinetuneConfig())
    alone = replace(dataset, splits=tuple("train" if label == 1 else "test" for label in dataset.labels_n))
    with pytest.raises(ValueError, match=r"only the class \['horse'\]; two are needed"):
        open_data(alone, task, tiny.processor)
    with pytest.raises(ValueError, match=r"all \d+ clouds are of validation or test, none to learn from"):
        open_data(replace(dataset, splits=("test",) * 30), task, tiny.processor)


def test_the_recipe_selects_clouds_and_turns_them(folder: Path, tiny: CrossJEPAEncoder) -> None:
    config = FinetuneConfig.of(per_class=2, up_axis="z")
    for data in (folder, load("folder", folder)):
        dataset = open_data(data, make_task(config), tiny.processor)
        assert (len(dataset), dataset.up_axis) == (6, "z")
    clouds = read_clouds(dataset, tiny.processor, with_parts=False)
    assert not clouds.queries and not clouds.parts
    for points_M3, sample in zip(clouds.points, dataset, strict=True):
        assert torch.equal(points_M3, tiny.preprocess(sample.points_N3, up_axis="z"))


def test_clouds_are_read_once(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    dataset, cache = load("clouds", write_parts(tmp_path / "parts.npz", 2)), tmp_path / "clouds.safetensors"
    first = read_clouds(dataset, tiny.processor, with_parts=True, cache=cache)
    (tmp_path / "parts.npz").unlink()
    second = read_clouds(dataset, tiny.processor, with_parts=True, cache=cache)
    assert len(first.points[0]) == 64 < len(first.queries[0]) == len(first.parts[0]) == 128
    for one, other in (
        (first.points, second.points),
        (first.queries, second.queries),
        (first.parts, second.parts),
    ):
        assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
