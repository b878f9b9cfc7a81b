"""What all tasks have in common: batches, and the weights of the loss."""

from __future__ import annotations

import pytest
import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.config import HeadConfig
from crossjepa.train.finetune import FinetuneConfig
from crossjepa.train.finetune.augment import QUERY, SHAPE, generators
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.tasks import ClassificationTask

HEAD = HeadConfig("classification", ("a", "b", "c"), hidden=0)


def test_balanced_weights_make_classes_count_alike(tiny: CrossJEPAEncoder) -> None:
    tiny.reset_classifier(HEAD)
    clouds = LabeledClouds(tuple(torch.zeros(8, 1, 3)), torch.tensor([0] * 6 + [1] * 2))
    assert ClassificationTask(FinetuneConfig()).class_weights(clouds, tiny) is None
    weights = ClassificationTask(FinetuneConfig.of(class_weights="balanced")).class_weights(clouds, tiny)
    assert weights is not None
    assert (6 * weights[0]).item() == pytest.approx((2 * weights[1]).item())
    assert weights[2] == 0
    assert weights[:2].mean().item() == pytest.approx(1)


def test_batches_are_padded_and_their_target_is_the_class() -> None:
    clouds = LabeledClouds(tuple(torch.randn(size, 3) for size in (5, 9, 7)), torch.tensor([2, 0, 1]))
    task, rows = ClassificationTask(FinetuneConfig()), [2, 1]
    shapes, queries = generators(0, SHAPE, 0, rows), generators(0, QUERY, 0, rows)
    batch = task.make_batch(clouds, rows, "y", shapes, queries)
    assert batch.points_BN3.shape == (2, 9, 3)
    assert batch.mask_BN is not None and batch.mask_BN.sum(dim=1).tolist() == [7, 9]
    assert batch.target.tolist() == batch.label_B.tolist() == [1, 0]
    assert batch.queries_BQ3 is None
    loss = task.loss(torch.tensor([[0.0, 9, 0], [9, 0, 0]]), batch, None)
    assert loss < task.loss(torch.zeros(2, 3), batch, None)
