"""Gradient checkpointing: less is kept for the backward pass, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from crossjepa.config import NAMED_SIZES, PredictorConfig
from crossjepa.models.point_encoder import PointEncoder
from crossjepa.models.predictor import ViewPredictor
from crossjepa.train.cache import open_cache
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.model import PretrainModel
from tests.helpers.small_cache import WIDTH

Result = TypeVar("Result")


def kept(module: nn.Module, forward: Callable[[], Result]) -> tuple[Result, int]:
    """Runs a forward pass; returns its result and the bytes that it keeps beside the parameters."""
    parameters = {value.data_ptr() for value in module.parameters()}
    storages: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        if value.data_ptr() not in parameters:
            storage = value.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        result = forward()
    return result, sum(storages.values())


def test_the_patch_embedding_keeps_its_groups_alone() -> None:
    encoder = PointEncoder(NAMED_SIZES["crossjepa-test"])
    groups = encoder.group(torch.randn(4, 64, 3))
    _, positions = kept(encoder, lambda: encoder.position_mlp(groups.centers_BG3))
    sizes = []
    for enable in (False, True):
        encoder.set_grad_checkpointing(enable)
        sizes.append(kept(encoder, lambda: encoder.embed(groups))[1] - positions)
    assert sizes[1] == groups.groups_BGK3.nbytes
    assert sizes[0] > 100 * sizes[1]


@pytest.mark.parametrize("joint", [True, False])
def test_the_predictor_keeps_little_but_the_inputs_of_its_blocks(joint: bool) -> None:
    predictor = ViewPredictor(PredictorConfig(24, 4, 2, WIDTH, joint_attention=joint), 24)
    given = torch.randn(4, 8, 24), torch.randn(4, 8, 3), torch.randn(4, 2, 3), torch.rand(4, 2, 48)
    sizes = []
    for enable in (False, True):
        predictor.set_grad_checkpointing(enable)
        sizes.append(kept(predictor, lambda: predictor(*given))[1])
    assert sizes[1] < 0.25 * sizes[0]


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
