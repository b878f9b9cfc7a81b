"""Recipes: sections in Python, flat names everywhere else."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest

from crossjepa.train.finetune import FinetuneConfig
from crossjepa.train.finetune.config import ScheduleConfig


def test_fields_have_one_name_everywhere() -> None:
    config = FinetuneConfig.of(epochs=3, hidden=0, seed=7)
    assert (config.schedule.epochs, config.head.hidden, config.seed) == (3, 0, 7)
    assert config.schedule == ScheduleConfig(epochs=3)
    assert FinetuneConfig.of(**config.flat()) == config
    changed = config.change(epochs=5, task="partseg", hidden=8)
    assert (changed.schedule.epochs, changed.task, changed.seed) == (5, "partseg", 7)
    names = [
        entry.name
        for part in (config, *vars(config).values())
        if is_dataclass(part) and not isinstance(part, type)
        for entry in fields(part)
    ]
    assert len(names) == len(set(names)), "command-line options would collide"


def test_recipes_of_0_1_0_are_read() -> None:
    written = {
        "task": "partseg", "model": "crossjepa-base", "from_scratch": False, "frozen_epochs": 60,
        "frozen_copies": 4, "epochs": 10, "patience": 5, "batch_size": 16, "head_learning_rate": 1e-3,
        "learning_rate": 2e-4, "scratch_learning_rate": 5e-4, "layer_decay": 0.75, "warmup_share": 0.1,
        "weight_decay": 0.05, "gradient_clip": 1.0, "hidden": 256, "dropout": 0.5, "label_smoothing": 0.1,
        "class_weights": "none", "scale_range": 0.2, "translate": 0.05, "jitter": 0.005, "rotate": "none",
        "query_points": 1024, "votes": 1, "validation_share": 0.2, "test_share": 0.2, "per_class": 0,
        "up_axis": "", "precision": "bfloat16", "seed": 0,
    }  # fmt: skip
    assert FinetuneConfig.of(**written).flat() == written
    assert FinetuneConfig.of(task="partseg") == FinetuneConfig.of(**written), "defaults stay"


@pytest.mark.parametrize(
    "change",
    [
        {"task": "detection"}, {"epochs": -1}, {"epochs": 0, "frozen_epochs": 0}, {"layer_decay": 0.0},
        {"validation_share": 1.0}, {"batch_size": 1}, {"seed": "0"}, {"up_axis": "w"}, {"votes": 0},
        {"from_scratch": True, "epochs": 0}, {"hidden": 0, "task": "partseg"}, {"jitter": float("nan")},
        {"warmup_share": 1}, {"frozen_copies": 0}, {"steps": 3},
    ],
)  # fmt: skip
def test_impossible_recipes(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        FinetuneConfig.of(**change)
