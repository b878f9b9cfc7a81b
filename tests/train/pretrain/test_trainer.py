"""The pretraining loop: it learns, resumes to the bit, refuses what does not fit, and ends in weights."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from crossjepa.train.common.loggers import read_log
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.export import export
from crossjepa.train.pretrain.trainer import Meter, pretrain
from tests.helpers.ends import assert_same_end
from tests.helpers.runs import (
    KILLS,
    QUIET,
    command,
    losses,
    run_to_the_end,
    run_until_killed,
    seconds_per_step,
)
from tests.helpers.small_cache import VIEWS


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.slow
def test_loss_falls(config: PretrainConfig, tmp_path: Path, optimizer: str) -> None:
    longer = config.change(steps=160, optimizer=optimizer, contrast_weight=0.0)
    pretrain(longer, tmp_path, replace(QUIET, log_every=20, save_every=1000, probe_every=0))
    assert losses(tmp_path)[-1] < 0.7 * losses(tmp_path)[0]


@pytest.mark.usefixtures("pictures")
def test_a_run_leaves_its_figures(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path, replace(QUIET, keep=2))
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000009.pt", "step-000000012.pt"]
    lines = read_log(tmp_path)
    assert [line["step"] for line in lines] == [4, 6, 8, 12, 12]
    assert all(0 < line["held_out_loss"] < 2 for line in lines if "held_out_loss" in line)
    assert all(line["samples_per_second"] > 0 for line in lines if "loss" in line)
    assert json.loads((tmp_path / "config.json").read_text())["size"] == "crossjepa-test"
    pytest.importorskip("matplotlib")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted_to_the_bit(config: PretrainConfig, tmp_path: Path) -> None:
    """Kills the process at random moments, also while it writes: `CROSSJEPA_KILLS` times."""
    longer = config.change(steps=20 * KILLS)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    pretrain(longer, whole, replace(QUIET, keep=1))
    words = [sys.executable, *command(longer, parts)]
    # The kills spread over the whole run: each comes at most four checkpoints after the one before it.
    pause, generator = 9 * seconds_per_step(longer, whole), np.random.default_rng(KILLS)
    killed = [run_until_killed(words, parts, generator.uniform(0, pause)) for _ in range(KILLS)]
    assert any(killed)
    run_to_the_end(words)
    assert_same_end(whole, parts)
    assert not list(parts.glob(".*")), "a file that was cut off while it was written is left"


def test_another_recipe_does_not_go_on_with_a_run(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path, replace(QUIET, stop_after=3))
    with pytest.raises(ValueError, match=r"other values of learning_rate, seed"):
        pretrain(config.change(seed=1, learning_rate=1e-4), tmp_path, QUIET)


@pytest.mark.slow
def test_a_run_of_a_version_that_knew_fewer_keys_goes_on(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path, replace(QUIET, stop_after=3))
    path = checkpoints(tmp_path)[-1]
    state = load_checkpoint(path)
    del state["recipe"]["contrast_with"]
    torch.save(state, path)
    with pytest.raises(ValueError, match="other values of contrast_with"):
        pretrain(config.change(contrast_with="cache"), tmp_path, QUIET)
    pretrain(config, tmp_path, QUIET)
    assert load_checkpoint(checkpoints(tmp_path)[-1])["step"] == config.run.steps


@pytest.mark.slow
def test_a_run_starts_from_the_weights_of_another(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path / "first", QUIET)
    start = checkpoints(tmp_path / "first")[-1]
    still = config.change(init_from=str(start), steps=1, learning_rate=0.0, final_learning_rate=0.0)
    pretrain(still, tmp_path / "second", QUIET)
    first, second = (load_checkpoint(path)["model"] for path in (start, checkpoints(tmp_path / "second")[-1]))
    assert torch.equal(first["encoder.norm.weight"], second["encoder.norm.weight"])
    exported = export(tmp_path / "second", tmp_path / "out")
    assert exported.model_config.provenance["recipe"]["init_from"] == start.name
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()


@pytest.mark.slow
def test_a_run_starts_from_released_weights(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path / "first", QUIET)
    released = export(tmp_path / "first", tmp_path / "out").state_dict()
    still = config.change(steps=1, learning_rate=0.0, final_learning_rate=0.0, seed=5)
    pretrain(still.change(init_from=str(tmp_path / "out")), tmp_path / "second", QUIET)
    second = load_checkpoint(checkpoints(tmp_path / "second")[-1])["model"]
    weights = [name for name in released if name.endswith("weight")]
    assert weights
    for name in weights:
        assert torch.equal(second[f"encoder.{name}"], released[name]), name
    with pytest.raises(ValueError, match=r"crossjepa-base: its encoder is not of size crossjepa-test"):
        pretrain(still.change(init_from="crossjepa-base"), tmp_path / "third", QUIET)


@pytest.mark.slow
def test_an_encoder_may_stay_frozen_at_first(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path / "first", QUIET)
    released = export(tmp_path / "first", tmp_path / "out").state_dict()
    start = config.change(init_from=str(tmp_path / "out"), frozen_steps=3, steps=6, weight_decay=0.5)
    ends = {}
    for steps in (3, 6):
        pretrain(start, tmp_path / "second", replace(QUIET, stop_after=3))
        ends[steps] = load_checkpoint(checkpoints(tmp_path / "second")[-1])
        assert ends[steps]["step"] == steps
    frozen, free = ends[3]["model"], ends[6]["model"]
    for name in released:  # the running statistics of batch norms, too
        assert torch.equal(frozen[f"encoder.{name}"], released[name]), name
        assert not torch.equal(free[f"encoder.{name}"], released[name]), name
    matrices = [name for name in frozen if name.startswith("predictor.") and frozen[name].ndim == 2]
    assert matrices
    assert all(not torch.equal(frozen[name], free[name]) for name in matrices)


def test_damaged_checkpoints_are_named(config: PretrainConfig, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 3, {"model": {}}, keep=1)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"step-000000003\.pt: not a readable checkpoint"):
        pretrain(config, tmp_path, QUIET)


def test_recipes_that_do_not_fit_the_cache_are_refused(config: PretrainConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"--views-per-step 9 is too many: the cache has {VIEWS} views"):
        pretrain(config.change(views_per_step=9), tmp_path, QUIET)
    with pytest.raises(ValueError, match="but --batch-size is 64"):
        pretrain(config.change(batch_size=64), tmp_path, QUIET)


def test_figures_are_averaged_since_the_last_reading() -> None:
    meter = Meter(batch_size=8)
    for _ in range(2):
        meter.rows.append({"loss": 1.0, "seconds": 2.0, "data_seconds": 0.5})
        meter.rows.append({"loss": 3.0, "seconds": 2.0, "data_seconds": 1.5})
        assert meter.speed() == 4.0
        assert meter.read() == pytest.approx({"loss": 2.0, "samples_per_second": 4.0, "data_share": 0.5})
        assert meter.rows == []
