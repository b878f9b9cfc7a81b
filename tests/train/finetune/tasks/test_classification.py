"""Classification: scores, and what is kept of features."""

from __future__ import annotations

import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.config import HeadConfig
from crossjepa.models.heads import PooledFeatures
from crossjepa.train.finetune import FinetuneConfig
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.tasks import ClassificationTask, Score, make_task

HEAD = HeadConfig("classification", ("a", "b", "c"), hidden=0)


def test_the_recipe_chooses_the_task() -> None:
    assert type(make_task(FinetuneConfig())) is ClassificationTask


def test_score_is_the_accuracy_and_then_the_loss(tiny: CrossJEPAEncoder) -> None:
    tiny.reset_classifier(HEAD)
    task, width = ClassificationTask(FinetuneConfig()), 2 * tiny.config.width
    features = PooledFeatures(torch.randn(4, width, generator=torch.Generator().manual_seed(0)))
    answer_n = tiny.forward_head(features).argmax(dim=1)
    clouds = LabeledClouds(tuple(torch.zeros(4, 1, 3)), torch.cat([answer_n[:3], (answer_n[3:] + 1) % 3]))
    score = task.score(tiny, [features], clouds)
    assert score.value == 0.75
    assert task.log_values(score) == {"validation_accuracy": 0.75, "validation_loss": -score.tie}
    assert Score(0.8, -9.0) > Score(0.75, -0.1) > Score(0.75, -0.2)
    packed = task.pack(features)
    assert torch.equal(task.unpack(packed)[0], features.pooled_BE)
    assert sum(value.nbytes for value in packed.values()) == 4 * task.packed_bytes(tiny.config)
