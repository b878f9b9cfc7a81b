"""One step of a run: what it says of its losses, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossjepa.train.common.loggers import read_log
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.runs import QUIET, make_trainer


def test_the_losses_of_the_recipe_are_logged_also_where_they_are_zero(
    config: PretrainConfig, tmp_path: Path
) -> None:
    # There is nothing to tell one cloud apart from.
    alone = config.change(batch_size=1, contrast_weight=1.0, object_weight=1.0)
    pretrain(alone, tmp_path, QUIET)
    lines = [line for line in read_log(tmp_path) if "loss" in line]
    assert [line["contrast_loss"] for line in lines] == [0.0, 0.0, 0.0]
    named = {name for line in lines for name in line if name.endswith("_loss")}
    assert named == {"view_loss", "object_loss", "contrast_loss"}


def test_a_gradient_that_is_not_finite_is_refused_before_it_reaches_a_parameter(
    config: PretrainConfig, tmp_path: Path
) -> None:
    trainer = make_trainer(config, tmp_path)
    trainer.update(0)
    assert trainer.model.contrast is not None
    # Its exponential is infinite: the loss sees the largest scale, the gradient zero times infinity.
    trainer.model.contrast.log_scale.data.fill_(100.0)
    before = [value.detach().clone() for value in trainer.model.parameters()]
    with pytest.raises(FloatingPointError, match="the norm of the gradient is nan at step 2; lower"):
        trainer.update(1)
    for old, value in zip(before, trainer.model.parameters(), strict=True):
        assert torch.equal(old, value)


def test_a_loss_that_is_not_finite_is_refused(config: PretrainConfig, tmp_path: Path) -> None:
    trainer = make_trainer(config, tmp_path)
    trainer.model.predictor.head.weight.data.fill_(torch.inf)
    with pytest.raises(FloatingPointError, match=r"the loss is (inf|nan) at step 1; lower the learning rate"):
        trainer.update(0)


def test_the_bar_shows_loss_and_samples_a_second(
    config: PretrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain(config, tmp_path, replace(QUIET, progress=True))
    last = capsys.readouterr().err.rstrip().splitlines()[-1].split("\r")[-1]
    assert "12/12" in last
    assert "step/s" in last
    assert float(last.rpartition("loss=")[2].split(",")[0]) > 0
    assert float(last.rpartition("samples/s=")[2].rstrip("]")) > 0
    pretrain(config, tmp_path / "quiet", QUIET)
    assert capsys.readouterr().err == ""
