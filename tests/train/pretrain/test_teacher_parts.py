"""Several teachers count equally in every loss, whatever the widths of their embeddings.

D width of all teachers together
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crossjepa.train.pretrain.losses import ContrastLoss, ObjectLoss, ViewLoss
from crossjepa.train.pretrain.model import PretrainModel
from crossjepa.train.pretrain.teacher_parts import TeacherParts
from tests.helpers.small_cache import CONFIG


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_loss_is_the_mean_over_the_teachers() -> None:
    predicted_BVD, target_BVD = random(5, 3, 12), random(5, 3, 12, seed=1)
    first, second = (
        F.smooth_l1_loss(predicted_BVD[..., part], target_BVD[..., part], beta=0.5)
        for part in (slice(0, 8), slice(8, 12))
    )
    equal, weighted = TeacherParts([8, 4]), TeacherParts([8, 4], [1, 3])
    torch.testing.assert_close(ViewLoss(0.5, equal)(predicted_BVD, target_BVD), (first + second) / 2)
    flat = predicted_BVD.flatten(0, 1), target_BVD.flatten(0, 1)
    torch.testing.assert_close(ObjectLoss(0.5, weighted)(*flat), 0.25 * first + 0.75 * second)


def test_a_wider_embedding_does_not_count_for_more() -> None:
    predicted_BD, target_BD = random(5, 6), random(5, 6, seed=1)

    def widened(values_BD: Tensor) -> Tensor:
        return torch.cat([values_BD[:, :4], values_BD[:, 4:].repeat(1, 50)], dim=1)

    narrow, wide = TeacherParts([4, 2]), TeacherParts([4, 100])
    values = predicted_BD, target_BD
    repeated = widened(predicted_BD), widened(target_BD)
    torch.testing.assert_close(wide.smooth_l1(*repeated, 1.0), narrow.smooth_l1(*values, 1.0))
    cosines_BB, repeated_BB = (
        parts.normalize(own) @ parts.normalize(others).T
        for parts, (own, others) in ((narrow, values), (wide, repeated))
    )
    torch.testing.assert_close(cosines_BB, repeated_BB)


def test_similarity_is_the_mean_of_the_teachers_cosines() -> None:
    own_BD, others_BD = random(5, 12), random(7, 12, seed=1)
    parts = TeacherParts([8, 4], [2, 1])
    torch.testing.assert_close(parts.normalize(own_BD).norm(dim=1), torch.ones(5))
    first, second = (
        F.cosine_similarity(own_BD[:, None, part], others_BD[None, :, part], dim=-1)
        for part in (slice(0, 8), slice(8, 12))
    )
    torch.testing.assert_close(
        parts.normalize(own_BD) @ parts.normalize(others_BD).T, (2 * first + second) / 3
    )
    contrast = ContrastLoss(16, 12, parts).requires_grad_(False)
    logits_BB = contrast.log_scale.exp() * (2 * first + second)[:, :5] / 3
    rows, columns = (logits.log_softmax(dim=-1).diagonal().mean() for logits in (logits_BB, logits_BB.T))
    torch.testing.assert_close(contrast(own_BD, others_BD[:5]), -(rows + columns) / 2)


def test_one_teacher_is_as_ever_to_the_bit() -> None:
    predicted_BD, target_BD = random(5, 12), random(5, 12, seed=1)
    for parts in (TeacherParts(), TeacherParts([12]), TeacherParts([12], [3.0])):
        assert torch.equal(
            parts.smooth_l1(predicted_BD, target_BD, 0.5),
            F.smooth_l1_loss(predicted_BD, target_BD, beta=0.5),
        )
        assert torch.equal(parts.normalize(predicted_BD), F.normalize(predicted_BD, dim=-1))


def test_weights_must_fit_the_teachers() -> None:
    with pytest.raises(ValueError, match="teacher_weights: 3 weights for 2 teachers of the cache"):
        PretrainModel(CONFIG.change(teacher_weights=(1.0, 2.0, 1.0)), 16, (10, 6))
    with pytest.raises(ValueError, match="teacher_weights: 2 weights for 1 teachers"):
        PretrainModel(CONFIG.change(teacher_weights=[1, 2]), 16)
    with pytest.raises(ValueError, match="teacher_weights must be a list, each above 0 and finite"):
        CONFIG.change(teacher_weights=[0.0, 1.0])
    with pytest.raises(ValueError, match="learnable_teacher needs a cache of one teacher"):
        PretrainModel(CONFIG.change(learnable_teacher=True), 16, (10, 6))
