"""Which samples are for fitting and which for testing.

n train clouds, m test clouds
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crossjepa.datasets.dataset import Dataset

HOLDOUT = 0.2


@dataclass(frozen=True, eq=False)
class Partition:
    """One division of a data set.

    Attributes:
        name: "test", "holdout" or the name of a fold.
        train_n: (n,) places of the clouds to fit on.
        test_m: (m,) places of the clouds to test on.
    """

    name: str
    train_n: NDArray[np.int64]
    test_m: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Division:
    """All divisions of a data set, and the rule that made them."""

    rule: str
    partitions: tuple[Partition, ...]


def divide(dataset: Dataset, seed: int = 0, holdout: bool = False) -> Division:
    """Divides a data set by its own splits, or at random with a seed if it has none.

    Args:
        dataset: the data set.
        seed: seed of the random choice.
        holdout: leave the test split alone and test on a fifth of the training split; for development.

    Raises:
        ValueError: there is nothing to fit on or nothing to test on.
    """
    everything_n = np.arange(len(dataset), dtype=np.int64)
    folds = [split for split in dataset.split_names if split.startswith("fold")]
    if folds and not holdout:
        tests = [(fold, dataset.where(fold)) for fold in folds]
        partitions = [Partition(fold, np.setdiff1d(everything_n, test_m), test_m) for fold, test_m in tests]
        return Division(f"every one of {len(folds)} folds once as test", tuple(partitions))
    test_m = dataset.where("test")
    train_n = np.setdiff1d(everything_n, test_m)
    if len(test_m) and not holdout:
        name, others = "test", [split for split in dataset.split_names if split != "test"]
        rule = f"fitted on {' and '.join(others)}, tested on test"
    else:
        name, where = "holdout", "the training split" if len(test_m) else "the data"
        rule = (
            f"tested on {HOLDOUT:.0%} of {where}, drawn by class with seed {seed}, fitted on the rest of it"
        )
        test_m = draw_per_class(dataset.labels_n, train_n, HOLDOUT, seed)
        train_n = np.setdiff1d(train_n, test_m)
    if not len(train_n) or not len(test_m):
        raise ValueError(f"{dataset.name}: {len(train_n)} clouds to fit on and {len(test_m)} to test on")
    return Division(rule, (Partition(name, train_n, test_m),))


def with_folds(dataset: Dataset, folds: int, seed: int = 0) -> Dataset:
    """Divides a data set that has no test split into folds, which `divide` takes as test splits in turn.

    Args:
        dataset: the data set; returned as it is if it has a test split or folds.
        folds: number of folds, over which every class is dealt out evenly.
        seed: seed of the random choice.
    """
    if any(split == "test" or split.startswith("fold") for split in dataset.split_names):
        return dataset
    fold_n = np.zeros(len(dataset), np.int64)
    for label in np.unique(dataset.labels_n).tolist():
        members = np.flatnonzero(dataset.labels_n == label)
        order = np.random.default_rng([seed, label]).permutation(len(members))
        # Beginning elsewhere for every class, so that small classes do not all fill the first folds.
        fold_n[members[order]] = (np.arange(len(members)) + label) % folds
    return replace(dataset, splits=tuple(f"fold{number}" for number in fold_n.tolist()))


def draw_per_class(
    labels_n: NDArray[np.int64], places_m: NDArray[np.int64], share: float, seed: int, at_least: int = 0
) -> NDArray[np.int64]:
    """Chooses a share of every class at random, rounded down; subsets of one seed are nested.

    Args:
        labels_n: (n,) classes of all samples.
        places_m: (m,) places to choose from; the chosen ones are returned, sorted.
        share: from 0 to 1.
        seed: seed of the random choice.
        at_least: smallest number of a class.
    """
    return _draw(labels_n, places_m, lambda size: max(at_least, int(share * size + 1e-9)), seed)


def draw_count(
    labels_n: NDArray[np.int64], places_m: NDArray[np.int64], count: int, seed: int
) -> NDArray[np.int64]:
    """Chooses up to `count` samples of every class at random; subsets of one seed are nested."""
    return _draw(labels_n, places_m, lambda size: count, seed)


def limit(dataset: Dataset, per_class: int, seed: int = 0) -> Dataset:
    """Keeps up to `per_class` samples of every class in every split."""
    places = map(dataset.where, dataset.split_names)
    kept = [draw_count(dataset.labels_n, places_m, per_class, seed) for places_m in places]
    return dataset.select(np.sort(np.concatenate(kept)))


def shared_classes(dataset: Dataset, partition: Partition) -> Partition:
    """Keeps the clouds of classes that occur on both sides; the others cannot be learned or tested."""
    labels_n = dataset.labels_n
    both = np.intersect1d(labels_n[partition.train_n], labels_n[partition.test_m])
    return Partition(
        partition.name,
        partition.train_n[np.isin(labels_n[partition.train_n], both)],
        partition.test_m[np.isin(labels_n[partition.test_m], both)],
    )


def _draw(
    labels_n: NDArray[np.int64], places_m: NDArray[np.int64], count: Callable[[int], int], seed: int
) -> NDArray[np.int64]:
    drawn = []
    for label in np.unique(labels_n[places_m]).tolist():
        members = places_m[labels_n[places_m] == label]
        order = np.random.default_rng([seed, label]).permutation(len(members))
        drawn.append(members[order[: count(len(members))]])
    return np.sort(np.concatenate(drawn)) if drawn else np.zeros(0, np.int64)
