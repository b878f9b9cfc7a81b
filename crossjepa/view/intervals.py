"""Confidence intervals of figures that were measured on a number of clouds.

n clouds, K classes, R rounds
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL, ROUNDS = 0.95, 10_000


class Interval(NamedTuple):
    """A figure with its confidence interval.

    Attributes:
        value: the figure.
        low: lower end.
        high: upper end.
        method: how it was found, in words.
    """

    value: float
    low: float
    high: float
    method: str


def wilson(right: int, total: int, level: float = LEVEL) -> Interval:
    """Wilson's score interval of a share (https://doi.org/10.1080/01621459.1927.10502953).

    Args:
        right: number of right answers.
        total: number of answers.
        level: confidence.

    Raises:
        ValueError: there are no answers, or more right ones than answers.

    Example:
        >>> found = wilson(84, 90)
        >>> f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
        '0.933 [0.862, 0.969]'
    """
    if not 0 <= right <= total or total < 1:
        raise ValueError(f"{right} right of {total} answers is no share")
    z, share = NormalDist().inv_cdf(0.5 + level / 2), right / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2)) / (1 + z**2 / total)
    return Interval(
        share, max(0.0, middle - half), min(1.0, middle + half),
        f"{100 * level:g} % Wilson interval, {right:,} of {total:,}",
    )  # fmt: skip


def bootstrap_mean(values_n: NDArray[np.floating], level: float = LEVEL, seed: int = 0) -> Interval:
    """Percentile bootstrap of a mean over clouds.

    Args:
        values_n: (n,) a figure of each cloud.
        level: confidence.
        seed: seed of the resampling.

    Raises:
        ValueError: there are no clouds.
    """
    if not len(values_n):
        raise ValueError("a mean over no clouds has no interval")
    generator, count = np.random.default_rng(seed), len(values_n)
    means_R = [float(values_n[generator.integers(0, count, count)].mean()) for _ in range(ROUNDS // 5)]
    low, high = np.percentile(means_R, [50 - 50 * level, 50 + 50 * level])
    method = f"{100 * level:g} % bootstrap interval over {count:,} clouds"
    return Interval(float(values_n.mean()), float(low), float(high), method)


def bootstrap_balanced(
    right_K: NDArray[np.integer], total_K: NDArray[np.integer], level: float = LEVEL, seed: int = 0
) -> Interval:
    """Percentile bootstrap of the mean recall over the classes that were tested.

    Clouds are resampled within their class, so that every class keeps its size.

    Args:
        right_K: (K,) right answers of each class.
        total_K: (K,) answers of each class; classes without any are left out.
        level: confidence.
        seed: seed of the resampling.

    Raises:
        ValueError: there are no answers.
    """
    right, total = right_K[total_K > 0], total_K[total_K > 0]
    if not len(total):
        raise ValueError("a mean over no classes has no interval")
    # Resampling the answers of a class gives a binomial number of right ones.
    drawn_RK = np.random.default_rng(seed).binomial(total, right / total, (ROUNDS, len(total)))
    means_R = (drawn_RK / total).mean(axis=1)
    low, high = np.percentile(means_R, [50 - 50 * level, 50 + 50 * level])
    method = f"{100 * level:g} % bootstrap interval, clouds resampled within their class"
    return Interval(float((right / total).mean()), float(low), float(high), method)
