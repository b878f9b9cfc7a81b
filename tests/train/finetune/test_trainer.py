"""The loop on its own, without files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.config import HeadConfig
from crossjepa.train.finetune import FinetuneConfig, FinetuneOptions
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.tasks import make_task
from crossjepa.train.finetune.trainer import Finetuner

QUIET = FinetuneOptions(device="cpu", progress=False)


def make_trainer(encoder: CrossJEPAEncoder, config: FinetuneConfig, validate: bool = True) -> Finetuner:
    encoder.reset_classifier(HeadConfig("classification", ("a", "b"), hidden=16))
    points = torch.randn(4, 64, 3, generator=torch.Generator().manual_seed(0))
    clouds = LabeledClouds(tuple(points), torch.tensor([0, 1, 0, 1]))
    validation = clouds if validate else clouds.select(np.zeros(0, np.int64))
    return Finetuner(encoder, make_task(config), clouds, validation, None, QUIET)


def test_a_gradient_that_is_not_finite_is_refused_before_the_step(tiny: CrossJEPAEncoder) -> None:
    trainer = make_trainer(tiny, FinetuneConfig.of(frozen_epochs=0))
    before = {name: value.clone() for name, value in tiny.named_parameters()}
    weight = tiny.get_parameter("network.blocks.0.mlp.0.weight")
    weight.register_hook(lambda gradient: gradient * torch.nan)  # type: ignore[no-untyped-call]
    with pytest.raises(FloatingPointError, match="norm of the gradient is nan at step 1 of epoch 1"):
        trainer.train()
    for name, value in tiny.named_parameters():
        assert torch.equal(value, before[name]), name


def test_without_validation_the_last_epoch_is_kept(tiny: CrossJEPAEncoder) -> None:
    trainer = make_trainer(tiny, FinetuneConfig.of(frozen_epochs=2, epochs=2), validate=False)
    assert not trainer.train(3)
    assert (trainer.epoch, trainer.phase.name) == (3, "all")
    assert trainer.train()
    assert trainer.best is not None and trainer.best["epoch"] == 4
    for name, value in tiny.state_dict().items():
        assert torch.equal(value, trainer.best["model"][name]), name


def test_one_cloud_is_too_few(tiny: CrossJEPAEncoder) -> None:
    tiny.reset_classifier(HeadConfig("classification", ("a", "b")))
    clouds = LabeledClouds((torch.randn(64, 3),), torch.tensor([0]))
    with pytest.raises(
        ValueError, match=r"1 clouds to learn from.*at least 2 are needed: .*--validation-share"
    ):
        Finetuner(tiny, make_task(FinetuneConfig()), clouds, clouds, None, QUIET)
