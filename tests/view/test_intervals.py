"""Intervals against published values and formulas."""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa.view.intervals import bootstrap_balanced, bootstrap_mean, wilson


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_as_newcombe_published(right: int, total: int, low: float, high: float) -> None:
    found = wilson(right, total)
    assert found.value == right / total
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)
    assert f"{right:,} of {total:,}" in found.method


def test_the_bootstrap_of_a_mean_is_near_that_of_the_normal_distribution() -> None:
    values_n = np.random.default_rng(1).normal(0.7, 0.1, 400)
    found = bootstrap_mean(values_n)
    half = 1.96 * values_n.std() / 20
    assert found.value == values_n.mean()
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.002)
    assert found == bootstrap_mean(values_n)


def test_balanced_accuracy_weighs_classes_alike() -> None:
    right_K, total_K = np.array([90, 1, 0]), np.array([100, 2, 0])
    found = bootstrap_balanced(right_K, total_K)
    assert found.value == pytest.approx(0.7)
    # The small class has 0, 1 or 2 right answers in a quarter, half and quarter of the rounds.
    assert (found.low, found.high) == pytest.approx((0.43, 0.97), abs=0.02)


def test_nothing_measured_has_no_interval() -> None:
    for right, total in ((0, 0), (3, 2)):
        with pytest.raises(ValueError, match="no share"):
            wilson(right, total)
    with pytest.raises(ValueError, match="no interval"):
        bootstrap_mean(np.zeros(0))
    with pytest.raises(ValueError, match="no interval"):
        bootstrap_balanced(np.zeros(2, int), np.zeros(2, int))
