"""Random numbers as functions of the seed, their purpose, and where in the run they are needed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

# Purposes, so that no two draws share their numbers.
ORDER, COPY, PICK, SHAPE, QUERY, DROPOUT = range(6)


def generators(seed: int, purpose: int, number: int, rows: Iterable[int]) -> list[np.random.Generator]:
    """Returns a generator for every cloud, which does not depend on who else is in the batch."""
    return [np.random.default_rng([seed, purpose, number, row]) for row in rows]


def epoch_batches(seed: int, epoch: int, count: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Shuffles the rows of an epoch and cuts them into batches of nearly equal size, none too small.

    A last batch of one cloud would make batch norms fail; so batches are `batch_size` or somewhat larger.
    """
    order = np.random.default_rng([seed, ORDER, epoch]).permutation(count)
    return np.array_split(order, max(1, count // batch_size))


def number_of(seed: int, purpose: int, epoch: int, step: int) -> int:
    """Returns a seed for torch's own generator, which dropout draws from."""
    return int(np.random.default_rng([seed, purpose, epoch, step]).integers(1 << 62))
