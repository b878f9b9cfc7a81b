"""Gradient checkpointing: less is kept for the backward pass, and nothing else changes."""

from __future__ import annotations

import pytest
import torch

from crossjepa.config import NAMED_SIZES, PredictorConfig
from crossjepa.models.point_encoder import PointEncoder
from crossjepa.models.predictor import ViewPredictor
from tests.helpers.encoders import clouds, make
from tests.helpers.memory import kept
from tests.helpers.small_cache import WIDTH


def test_grad_checkpointing_changes_nothing() -> None:
    gradients = []
    for enable in (False, True):
        model = make("crossjepa-test").train()
        model.set_grad_checkpointing(enable)
        model(clouds(2, 100)).pooled.sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed)


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
