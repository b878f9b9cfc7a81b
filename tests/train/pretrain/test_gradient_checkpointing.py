"""Gradient checkpointing: less is kept for the backward pass, and nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crossjepa.train.cache import open_cache
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.model import PretrainModel
from tests.helpers.memory import kept
from tests.helpers.small_cache import WIDTH

Numbers = dict[str, Tensor | None]


def one_step(recipe: PretrainConfig, compiled: bool = False) -> tuple[Numbers, int]:
    """Losses, gradients and running statistics of a first step, and the bytes kept for its backward pass."""
    torch.manual_seed(0)
    model = PretrainModel(recipe, WIDTH)
    batch = Batches(open_cache(recipe.data.cache), recipe)(0)
    forward = torch.compile(model, backend="aot_eager", fullgraph=True) if compiled else model
    losses, size = kept(model, lambda: forward(batch, batch.embeddings_BVD))
    losses.total.backward()
    gradients = {f"gradient of {name}": value.grad for name, value in model.named_parameters()}
    return {**losses.named(), **gradients, **dict(model.named_buffers())}, size


def assert_alike(found: Numbers, expected: Numbers) -> None:
    """Compares two steps number by number."""
    assert found.keys() == expected.keys()
    assert all(value is not None for value in expected.values())
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_losses_gradients_and_running_statistics_stay(config: PretrainConfig, precision: str) -> None:
    recipe = config.change(precision=precision, points_weight=0.5)
    expected, all_kept = one_step(recipe)
    found, little_kept = one_step(recipe.change(gradient_checkpointing=True))
    assert_alike(found, expected)
    assert little_kept < 0.3 * all_kept


@pytest.mark.slow
def test_they_stay_when_compiled(config: PretrainConfig) -> None:
    recipe = config.change(precision="float32")
    expected, _ = one_step(recipe)
    found, _ = one_step(recipe.change(gradient_checkpointing=True), compiled=True)
    assert_alike(found, expected)
