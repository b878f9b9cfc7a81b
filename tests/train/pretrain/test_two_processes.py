"""Pretraining in two processes: one result, complete after a kill, and one answer to what is not finite."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossjepa.train.cache import open_cache
from crossjepa.train.common.checkpoint import checkpoints
from crossjepa.train.common.loggers import read_log
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.ends import assert_same_end
from tests.helpers.many_runs import pretrain_in_two_processes, run_twice
from tests.helpers.runs import (
    KILLS,
    QUIET,
    TORCHRUN,
    command,
    losses,
    run_to_the_end,
    run_until_killed,
    seconds_per_step,
)
from tests.helpers.small_cache import make_cache

CHANGES: list[dict[str, object]] = [
    {},
    {"points_weight": 0.5, "joint_attention": True, "gradient_checkpointing": True},
    {"joint_attention": True, "camera_positions": True, "frozen_steps": 4},
    {"contrast_with": "cache", "target_scaling": "whiten"},
    {"occupancy_weight": 4.0, "occupancy_nodes": 2},
    {"accumulation_steps": 2, "ema_decay": 0.9},
]


@pytest.mark.slow
def test_two_processes_equal_one_with_the_whole_batch(config: PretrainConfig, tmp_path: Path) -> None:
    # Slow enough for rounding to stay what it is: AdamW's first steps are signs of gradients.
    slow = config.change(precision="float32", optimizer="adamw", learning_rate=1e-4)
    recipes = {tmp_path / f"two{number}": slow.change(**changes) for number, changes in enumerate(CHANGES)}
    pretrain_in_two_processes(recipes, stop_after=7)
    for (two, recipe), changes in zip(recipes.items(), CHANGES, strict=True):
        one = two.with_name(two.name.replace("two", "one"))
        pretrain(recipe.change(gradient_checkpointing=False), one, replace(QUIET, log_every=1))
        assert len(losses(one)) == 12
        np.testing.assert_allclose(losses(one), losses(two), rtol=1e-5, err_msg=str(changes))
        if "ema_decay" in changes:
            found, expected = held_out(two), held_out(one)
            np.testing.assert_allclose([found[step] for step in expected], [*expected.values()], rtol=1e-4)


def held_out(run: Path) -> dict[float, float]:
    """The logged losses of a run on held-out objects by step."""
    return {line["step"]: line["held_out_loss"] for line in read_log(run) if "held_out_loss" in line}


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="no /proc to find torchrun's workers in")
@pytest.mark.slow
def test_two_processes_killed_together_and_resumed_end_with_the_same_bits(
    config: PretrainConfig, tmp_path: Path
) -> None:
    """Kills torchrun and both workers at random moments, a third as often as `CROSSJEPA_KILLS` says."""
    kills = max(1, KILLS // 3)
    longer = config.change(steps=30 * kills)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run_to_the_end([*TORCHRUN, *command(longer, whole)])
    words = [*TORCHRUN, *command(longer, parts)]
    pause, generator = 9 * seconds_per_step(longer, whole), np.random.default_rng(kills)
    killed = [run_until_killed(words, parts, generator.uniform(0, pause)) for _ in range(kills)]
    assert any(killed)
    run_to_the_end(words)
    assert_same_end(whole, parts)
    assert not list(parts.glob(".*"))


@pytest.mark.slow
def test_both_processes_refuse_a_gradient_that_is_not_finite_in_one(
    config: PretrainConfig, tmp_path: Path
) -> None:
    """One object's embedding is so large that the loss is just finite, but not the norm of the gradient."""
    make_cache(tmp_path / "cache")
    plain = config.change(cache=str(tmp_path / "cache"), object_weight=0.0, contrast_weight=0.0)
    taught = plain.change(target_scaling="none", learnable_teacher=True, precision="float32")
    cache = open_cache(taught.data.cache, writable=True)
    rows = Batches(cache, taught).train_rows
    cache.embeddings_SVD[int(rows[0])] = np.full(cache.embeddings_SVD.shape[1:], 1e30, np.float32)
    statuses, said = run_twice([sys.executable, *command(taught, tmp_path / "run")])
    reasons = [
        re.findall(r"^crossjepa: error: the norm of the gradient is .*", text, re.MULTILINE) for text in said
    ]
    assert statuses == [2, 2], said
    assert len(reasons[0]) == 1
    assert reasons[0] == reasons[1]
    assert not checkpoints(tmp_path / "run")
