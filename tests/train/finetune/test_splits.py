"""Splits, classes that can be learned, and the batches of an epoch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import load
from crossjepa.train.finetune.splits import epoch_batches, learnable, split_dataset


def test_splits_are_stratified_and_apart(folder: Path) -> None:
    dataset = load("folder", folder)
    split = split_dataset(dataset, 0.25, 0.2, seed=3)
    everything = np.concatenate([split.train_n, split.validation_n, split.test_n])
    assert sorted(everything.tolist()) == list(range(30))
    for places, count in ((split.train_n, 6), (split.validation_n, 2), (split.test_n, 2)):
        assert np.bincount(dataset.labels_n[places]).tolist() == [count] * 3
    own = replace(dataset, splits=("train", "train", "val", "test", "test") * 6)
    split = split_dataset(own, 0.25, 0.2, seed=3)
    assert {own.splits[place] for place in split.validation_n} == {"val"}
    assert {own.splits[place] for place in split.test_n} == {"test"}
    no_val = replace(dataset, splits=("train", "test") * 15)
    split = split_dataset(no_val, 0.25, 0.2, seed=3)
    assert {no_val.splits[place] for place in split.validation_n} == {"train"}
    single = dataset.select([0, 10, 20])
    split = split_dataset(single, 0.25, 0.0, seed=3)
    assert len(split.train_n) == 3, "a class with one cloud lends none to validation"
    assert "never stopped early" in split.rule


def test_classes_of_the_test_split_alone_are_left_out(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = load("folder", folder)
    assert learnable(dataset) is dataset
    split = ["test" if label == 1 or place % 2 else "train" for place, label in enumerate(dataset.labels_n)]
    kept = learnable(replace(dataset, splits=tuple(split)))
    assert kept.classes == (dataset.classes[0], dataset.classes[2])
    assert len(kept) == 20
    assert "left out 10 clouds of validation and test" in caplog.text
    for place in (0, 19):
        assert kept[place].name == dataset[place + 10 * (place // 10)].name
        assert (
            kept.classes[kept.labels_n[place]]
            == dataset.classes[dataset.labels_n[place + 10 * (place // 10)]]
        )


def test_only_classes_that_can_be_learned_are_answers(folder: Path) -> None:
    dataset = load("folder", folder)
    every = dataset.labels_n.tolist()
    in_validation = replace(dataset, splits=tuple("val" if label == 1 else "train" for label in every))
    assert learnable(in_validation).classes == (dataset.classes[0], dataset.classes[2])
    folds = [f"fold{label == 2:d}" if place % 2 else "fold1" for place, label in enumerate(every)]
    in_fold = replace(
        dataset,
        splits=tuple("fold0" if label == 2 else split for split, label in zip(folds, every, strict=True)),
    )
    assert learnable(in_fold).classes == dataset.classes[:2]
    unused = dataset.select(np.flatnonzero(dataset.labels_n != 0))
    assert learnable(unused).classes == dataset.classes[1:]
    assert learnable(unused).labels_n.tolist() == [0] * 10 + [1] * 10
    assert learnable(unused, only_seen=False) is unused
    with pytest.raises(ValueError, match=r"all \d+ clouds are of validation or test, none to learn from"):
        learnable(replace(dataset, splits=("test",) * 30))


@pytest.mark.parametrize("count", [2, 3, 9, 16, 17, 31])
def test_every_cloud_once_an_epoch_and_no_batch_of_one(count: int) -> None:
    batches = epoch_batches(0, 3, count, 8)
    assert sorted(np.concatenate(batches).tolist()) == list(range(count))
    assert min(map(len, batches)) >= min(count, 8)
    assert not np.array_equal(np.concatenate(batches), np.concatenate(epoch_batches(0, 4, count, 8)))
