"""Batches that are divided to save memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from crossjepa.train.cache.concat import open_caches
from crossjepa.train.pretrain.batches import Batches, divide
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.dry_run import dry_run
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.ends import assert_same_weights
from tests.helpers.runs import QUIET, losses, make_trainer


def test_parts_have_the_clouds_of_the_batch_in_their_order(config: PretrainConfig) -> None:
    batch = Batches(open_caches(config.data.cache), config)(0)
    assert divide(batch, 1) == [batch]
    batch = batch._replace(mask_BN=torch.rand(batch.points_BN3.shape[:2]) < 0.5)
    parts = divide(batch, 4)
    for name, whole in batch._asdict().items():
        found = [getattr(part, name) for part in parts]
        if whole is None:
            assert found == [None] * 4
        else:
            assert [len(part) for part in found] == [2] * 4
            assert torch.equal(torch.cat(found), whole)


def test_gradients_are_those_of_the_whole_batch_apart_from_what_sees_the_batch(
    config: PretrainConfig, tmp_path: Path
) -> None:
    """Without batch norm over the batch and contrast with it, dividing changes nothing but rounding."""
    whole = config.change(contrast_weight=0.0, precision="float32")
    norms = {}
    for parts in (1, 2, 4):
        trainer = make_trainer(whole.change(accumulation_steps=parts), tmp_path / str(parts))
        for module in trainer.model.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eval()
        losses = trainer._backward(trainer.batches(0))
        gradients = [value.grad for value in trainer.model.parameters() if value.grad is not None]
        norms[parts] = [float(losses["total"]), *(float(gradient.norm()) for gradient in gradients)]
    np.testing.assert_allclose(norms[2], norms[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norms[4], norms[1], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_divided_run_learns_and_resumes_exactly(config: PretrainConfig, tmp_path: Path) -> None:
    divided = config.change(accumulation_steps=2)
    pretrain(divided, tmp_path / "whole", QUIET)
    for stop in (5, 0):
        pretrain(divided, tmp_path / "parts", replace(QUIET, stop_after=stop))
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    found = losses(tmp_path / "whole")
    assert found[-1] < found[0]
    assert dry_run(divided, device="cpu").clouds == 12 * 8


def test_parts_must_be_equal(config: PretrainConfig, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="the 8 clouds of a process cannot be divided into accumulation_steps 3"
    ):
        pretrain(config.change(accumulation_steps=3), tmp_path, QUIET)
    with pytest.raises(ValueError, match="accumulation_steps must be at least 1"):
        config.change(accumulation_steps=0)
