"""The values of a recipe: what is refused, and the shape of the encoder in the course of a run."""

from __future__ import annotations

from math import inf, nan
from typing import Any, get_args, get_type_hints

import pytest

from crossjepa.config_fields import Limit
from crossjepa.train.pretrain.config import LossSection, ModelSection, PretrainConfig, RunSection
from crossjepa.train.pretrain.recipes import SECTIONS


@pytest.mark.parametrize(
    ("names", "values", "reason"),
    [
        ("batch_size views_per_step predictor_depth few_points", (0, -1), "at least 1"),
        ("occupancy_nodes", (1, 0), "at least 2"),
        ("steps epochs warmup_steps frozen_steps held_out seed", (-1,), "at least 0"),
        ("learning_rate final_learning_rate weight_decay jitter", (-1e-9, inf, nan), "at least 0"),
        ("object_weight contrast_weight points_weight occupancy_weight", (-0.1, inf, nan), "at least 0"),
        ("gradient_clip", (0.0, -1.0, nan), "above 0"),
        ("smooth_l1_beta", (0.0, -1.0, inf, nan), "above 0"),
        ("decay_share few_share even_probability", (-0.1, 1.1, nan), "from 0 to 1"),
        ("scale_range", (-0.1, 1.0, nan), "from 0 to below 1"),
    ],
)
def test_impossible_values_are_refused(names: str, values: tuple[float, ...], reason: str) -> None:
    for name in names.split():
        for value in values:
            with pytest.raises(ValueError, match=f"{name} must be {reason}"):
                PretrainConfig.of(**{name: value})


@pytest.mark.parametrize("section", SECTIONS)
def test_every_number_has_a_limit(section: str) -> None:
    plain = get_type_hints(SECTIONS[section])
    for name, hint in get_type_hints(SECTIONS[section], include_extras=True).items():
        if plain[name] in (int, float):
            assert isinstance(get_args(hint)[1], Limit), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": "many"}, "steps must be of type int, not 'many'"),
        ({"steps": True}, "steps must be of type int, not True"),
        ({"steps": 1e3}, r"steps must be of type int, not 1000\.0"),
        ({"compile": 1}, "compile must be of type bool, not 1"),
        ({"jitter": "1e-3"}, "jitter must be of type float, not '1e-3'"),
        ({"steps": 3, "epochs": 2}, "either steps or epochs"),
        ({"steps": 0}, "either steps or epochs"),
        ({"steps": -5, "epochs": 2}, "steps must be at least 0"),
        ({"optimizer": "sgd"}, "optimizer must be one of .*'muon'"),
        ({"size": "huge"}, "size must be one of .*'crossjepa-base'"),
        ({"few_points": 8}, "few_points 8 are too few: num_groups"),
        ({"occupancy_nodes": 7, "occupancy_weight": 1.0}, "fewer channels than its grid"),
        ({"camera_positions": True}, "camera_positions needs joint_attention"),
        ({"contrast_with": "cache", "learnable_teacher": True}, "needs a frozen teacher"),
    ],
)
def test_what_does_not_fit_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PretrainConfig.of(**options)


def test_sections_are_checked_where_they_are_made() -> None:
    with pytest.raises(ValueError, match="predictor_depth must be at least 1"):
        ModelSection(predictor_depth=0)
    with pytest.raises(ValueError, match="either steps or epochs"):
        RunSection(steps=0)
    with pytest.raises(ValueError, match="model must be of type ModelSection"):
        PretrainConfig(model=LossSection())  # type: ignore[arg-type]


def test_few_points_come_first() -> None:
    config = PretrainConfig.of(few_share=0.5)
    small, full = config.encoder_at(0.49), config.encoder_at(0.5)
    assert (small.num_points, small.num_groups, small.group_size) == (512, 32, 16)
    assert (full.num_points, full.num_groups, full.group_size) == (1024, 64, 32)
