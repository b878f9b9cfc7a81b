"""Options of the scan-like augmentations."""

from __future__ import annotations

from math import inf, nan

import pytest

from crossjepa.train.pretrain.augment_config import AugmentSection
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.recipes import load_config


def test_all_are_off_by_default_and_each_can_be_turned_on() -> None:
    section = AugmentSection()
    assert section.is_off
    assert len(section.probabilities) == 10
    for name in section.probabilities:
        assert not AugmentSection(**{f"{name}_probability": 0.1}).is_off


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("stretch", (0.5, 11.0, nan), "from 1 to 10"),
        ("tilt", (-1.0, 181.0, nan), "from 0 to 180"),
        ("noise", (-0.1, inf, nan), "at least 0"),
        ("dropout_global", (-0.1, 1.0), "from 0 to below 1"),
        ("density", (0.5, inf, nan), "from 1 to 1000"),
        ("tilt_probability", (-0.1, 1.1), "from 0 to 1"),
    ],
)
def test_impossible_values_are_refused(name: str, values: tuple[float, ...], reason: str) -> None:
    for value in values:
        with pytest.raises(ValueError, match=f"{name} must be {reason}"):
            PretrainConfig.of(**{name: value})


def test_the_recipe_of_the_package_turns_all_on() -> None:
    assert all(load_config("scans").augment.probabilities.values())
