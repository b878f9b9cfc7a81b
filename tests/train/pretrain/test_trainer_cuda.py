"""Pretraining on a GPU: the losses of the CPU, and runs that resume where they stopped."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.common.distributed import process_group
from crossjepa.train.common.loggers import read_log
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.dry_run import dry_run
from crossjepa.train.pretrain.online_probe import ProbeData
from crossjepa.train.pretrain.trainer import Trainer, pretrain
from tests.helpers.cuda import DEVICE, ON_DEVICE
from tests.helpers.encoders import clouds
from tests.helpers.runs import QUIET
from tests.helpers.small_cache import PARTS, TEACHERS, make_cache

pytestmark = ON_DEVICE
HERE = replace(QUIET, device=DEVICE)
AUGMENTED = {
    f"{name}_probability": 0.5
    for name in (
        "stretch", "tilt", "noise", "dropout_global", "dropout_local", "density", "outlier", "clutter",
        "single_view", "background",
    )
}  # fmt: skip
RECIPES: dict[str, dict[str, object]] = {
    "default": {},
    "one sequence per view": {"joint_attention": True},
    "camera positions": {"joint_attention": True, "camera_positions": True},
    "paper": {
        "joint_attention": True, "target_scaling": "none", "object_weight": 0.0, "contrast_weight": 0.0,
        "optimizer": "adamw", "even_probability": 1.0, "few_share": 0.0, "views_per_step": 1,
    },
    "bundled": {
        "target_scaling": "whiten", "contrast_with": "cache", "occupancy_weight": 2.0, "occupancy_nodes": 2,
    },
    "scans": {**AUGMENTED, "points_weight": 1.0, "even_probability": 1.0},
    "learnable teacher": {"learnable_teacher": True, "ema_decay": 0.9, "accumulation_steps": 2},
    "activations computed again": {"gradient_checkpointing": True, "frozen_steps": 1},
}  # fmt: skip


def make_trainer(config: PretrainConfig, run: Path, device: str) -> Trainer:
    with process_group(device) as process:
        return Trainer(config, run, process, replace(QUIET, device=device))


def assert_same_losses(config: PretrainConfig, folder: Path, tolerance: float = 2e-4) -> None:
    """The first step on clouds that the device has sampled itself; later ones have other weights."""
    lines = [make_trainer(config, folder / name, name).update(0) for name in ("cpu", DEVICE)]
    names = [name for name in lines[0] if name.endswith("loss")]
    assert names
    for name in names:
        assert lines[1][name] == pytest.approx(lines[0][name], rel=tolerance, abs=1e-6), name


@pytest.mark.parametrize("name", RECIPES)
def test_the_losses_of_a_step(name: str, config: PretrainConfig, tmp_path: Path) -> None:
    # Of scans, the rounding of a depth decides whether a point is seen.
    tolerance = 2e-2 if name == "scans" else 2e-4
    assert_same_losses(config.change(precision="float32", **RECIPES[name]), tmp_path, tolerance)


def test_the_losses_of_a_step_with_dense_targets_and_two_teachers(
    config: PretrainConfig, tmp_path: Path
) -> None:
    make_cache(tmp_path / "cache", teacher=TEACHERS, parts=PARTS, dense=(40, 6))
    changed = config.change(cache=str(tmp_path / "cache"), dense_weight=1.0, dense_points=16)
    assert_same_losses(changed.change(precision="float32"), tmp_path)


@pytest.mark.parametrize("name", RECIPES)
def test_steps_in_bfloat16_are_finite(name: str, config: PretrainConfig, tmp_path: Path) -> None:
    trainer = make_trainer(config.change(precision="bfloat16", **RECIPES[name]), tmp_path, DEVICE)
    trainer.model.train()
    losses = [trainer.update(step)["loss"] for step in range(4)]
    assert all(map(math.isfinite, losses))
    assert all(bool(value.isfinite().all()) for value in trainer.model.parameters())
    assert all(value.dtype == torch.float32 for value in trainer.model.parameters())


def final_weights(run: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_checkpoint(checkpoints(run)[-1])["model"]
    return found


def largest_difference(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_run_ends_as_one_that_was_not_stopped(
    precision: str, config: PretrainConfig, tmp_path: Path
) -> None:
    """To the bit if the device gives the same sums twice, else within a few times what these differ by."""
    recipe = config.change(steps=20, precision=precision)
    for name in ("straight", "again"):
        pretrain(recipe, tmp_path / name, HERE)
    pretrain(recipe, tmp_path / "stopped", replace(HERE, stop_after=10))
    assert load_checkpoint(checkpoints(tmp_path / "stopped")[-1])["step"] == 10
    pretrain(recipe, tmp_path / "stopped", HERE)
    straight, again, stopped = (final_weights(tmp_path / name) for name in ("straight", "again", "stopped"))
    chance = largest_difference(straight, again)
    assert chance < 1e-2
    assert largest_difference(straight, stopped) <= 5 * chance
    assert not any(value.is_cuda for value in straight.values())


def test_probes_held_out_losses_and_the_average_of_the_weights(
    config: PretrainConfig, tmp_path: Path
) -> None:
    labels_n = torch.arange(40) % 2
    points_nN3 = clouds(40, 64) * (1 + labels_n[:, None, None] * torch.tensor([0.0, 0.0, 4.0]))
    pretrain(config.change(steps=6, ema_decay=0.9), tmp_path, HERE, ProbeData(points_nN3, labels_n))
    lines = [line for line in read_log(tmp_path) if "held_out_loss" in line]
    assert lines
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert {"ridge", "nearest", "rank", "deviation"} < set(lines[-1])


def test_a_dry_run(config: PretrainConfig) -> None:
    measured = dry_run(config, device=DEVICE)
    assert measured.seconds_first > 0
    assert str(measured).startswith("parameters")
