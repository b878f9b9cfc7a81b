"""A compiled model trains as the plain one does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.trainer import Trainer
from tests.helpers.runs import make_trainer

COMPILERS = [os.environ.get("CXX", "c++"), "g++", "clang++"]
FOUND = any(map(shutil.which, COMPILERS))


@pytest.fixture
def short(config: PretrainConfig) -> PretrainConfig:
    """One number of points: each further one would be compiled anew."""
    slow = config.change(precision="float32", optimizer="adamw", learning_rate=3e-4)
    return slow.change(steps=2, few_share=0.0, object_weight=0.0, contrast_weight=0.0)


def assert_same_steps(plain: Trainer, compiled: Trainer) -> None:
    losses = [[trainer.update(step)["loss"] for step in range(2)] for trainer in (plain, compiled)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    norm = compiled.model.encoder.patch_embedding.norm_in
    assert norm.num_batches_tracked is not None
    assert int(norm.num_batches_tracked) == 2


def test_steps_through_one_graph_have_the_losses_of_plain_ones(short: PretrainConfig, tmp_path: Path) -> None:
    """Both directions are traced, but not built in C++, which takes a minute."""
    trainer = make_trainer(short, tmp_path / "traced")
    trainer.forward = torch.compile(trainer.module, backend="aot_eager", fullgraph=True)  # type: ignore[assignment]
    assert_same_steps(make_trainer(short, tmp_path / "plain"), trainer)


@pytest.mark.skipif(not FOUND, reason="no C++ compiler, which torch.compile needs")
@pytest.mark.slow
def test_compiled_steps_have_the_losses_of_plain_ones(short: PretrainConfig, tmp_path: Path) -> None:
    trainer = make_trainer(short.change(compile=True), tmp_path / "compiled")
    assert trainer.forward is not trainer.model
    assert_same_steps(make_trainer(short, tmp_path / "plain"), trainer)
