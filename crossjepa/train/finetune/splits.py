"""What a run learns from, validates on and tests on, and the batches of an epoch.

n clouds, K classes
"""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossjepa.datasets import Dataset
from crossjepa.datasets.splits import divide, draw_per_class
from crossjepa.train.finetune.augment import ORDER

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Split:
    """What is learned from, validated on, and tested on, as places in the data set.

    Attributes:
        train_n: places to learn from.
        validation_n: places that choose the epoch; empty if all classes are too small.
        test_n: places to test on; empty if no test was asked for.
        rule: how they were chosen, in words.
    """

    train_n: NDArray[np.int64]
    validation_n: NDArray[np.int64]
    test_n: NDArray[np.int64]
    rule: str


def learnable(dataset: Dataset, *, only_seen: bool = True) -> Dataset:
    """Leaves out classes without training clouds, and says how many clouds of other splits go with them.

    Args:
        dataset: the data set.
        only_seen: also leave out classes that have no clouds at all.

    Raises:
        ValueError: there is nothing to learn from.
    """
    splits = np.array(dataset.splits, dtype=str)
    folds = sorted({split for split in dataset.splits if split.startswith("fold")})
    not_learned = ["val", folds[0] if folds else "test"]
    known_K = np.unique(dataset.labels_n[~np.isin(splits, not_learned)])
    if not len(known_K):
        raise ValueError(
            f"{dataset.name}: all {len(dataset)} clouds are of validation or test, none to learn from"
        )
    kept_n = np.flatnonzero(np.isin(dataset.labels_n, known_K))
    if len(kept_n) == len(dataset) and (len(known_K) == len(dataset.classes) or not only_seen):
        return dataset
    if len(kept_n) < len(dataset):
        lost = len(dataset) - len(kept_n)
        text = "%s: left out %d clouds of validation and test whose classes have none to learn from"
        logger.warning(text, dataset.name, lost)
    return dataset.keep_classes(known_K)


def split_dataset(dataset: Dataset, validation_share: float, test_share: float, seed: int) -> Split:
    """Divides a data set; the validation part is taken from the training part, never from the test part.

    Test and validation splits that the data set has are used as they are. What is missing is drawn by class
    with the seed.

    Args:
        dataset: the data set.
        validation_share: share of the training part.
        test_share: share of all clouds if there is no test split; 0 for no test.
        seed: seed of the random choice.

    Raises:
        ValueError: there is nothing to learn from.
    """
    splits = np.array(dataset.splits, dtype=str)
    own_test = bool((splits == "test").any()) or any(split.startswith("fold") for split in dataset.splits)
    nothing_n = np.zeros(0, np.int64)
    if own_test:
        division = divide(dataset, seed)
        learn_n, test_n = division.partitions[0].train_n, division.partitions[0].test_m
        rule = f"tested on {division.partitions[0].name}"
    else:
        learn_n = np.arange(len(dataset))
        test_n = draw_per_class(dataset.labels_n, learn_n, test_share, seed) if test_share else nothing_n
        learn_n = np.setdiff1d(learn_n, test_n)
        rule = f"tested on {test_share:.0%} of every class" if len(test_n) else "not tested"
    validation_n = learn_n[splits[learn_n] == "val"]
    how = "the split val"
    if not len(validation_n) and validation_share:
        labels_n = dataset.labels_n
        counts = np.bincount(labels_n[learn_n], minlength=len(dataset.classes))
        spare_n = learn_n[counts[labels_n[learn_n]] >= 2]  # at least one cloud of each class stays
        # Another seed than that of the test part: subsets of one seed are nested, not independent.
        validation_n = draw_per_class(labels_n, spare_n, validation_share, seed + 1, at_least=1)
        how = f"{validation_share:.0%} of the training part of every class"
    train_n = np.setdiff1d(learn_n, validation_n)
    if not len(train_n):
        raise ValueError(
            f"{dataset.name}: {len(dataset)} clouds, of which {len(test_n)} for the test and "
            f"{len(validation_n)} for validation leave none to learn from: lower --test-share or "
            "--validation-share"
        )
    stopped = f"stopped by {how}" if len(validation_n) else "never stopped early, for lack of clouds"
    return Split(train_n, validation_n, test_n, f"{rule}, {stopped}, drawn with seed {seed}")


def epoch_batches(seed: int, epoch: int, count: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Shuffles the rows of an epoch and cuts them into batches of nearly equal size, none too small.

    A last batch of one cloud would make batch norms fail; so batches are `batch_size` or somewhat larger.
    """
    order = np.random.default_rng([seed, ORDER, epoch]).permutation(count)
    return np.array_split(order, max(1, count // batch_size))
