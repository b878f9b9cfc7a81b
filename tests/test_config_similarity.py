"""What weights say about comparing their features."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa import SimilarityConfig
from tests.helpers.tiny_weights import change_config


def test_mean_and_deviation_must_have_the_same_width() -> None:
    with pytest.raises(ValueError, match="mean has 2 numbers, std 1"):
        SimilarityConfig((0.0, 1.0), (1.0,), 5)


def test_a_deviation_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="std must be a list, each above 0"):
        SimilarityConfig((0.0,), (0.0,), 5)


def test_numbers_of_another_width_are_refused_with_the_file(tmp_path: Path) -> None:
    entry = {"mean": [0.0] * 10, "std": [1.0] * 10, "objects": 3}
    reason = change_config(tmp_path, lambda values: values.update(similarity=entry))
    assert reason == "similarity.mean must have 48 numbers, not 10"
