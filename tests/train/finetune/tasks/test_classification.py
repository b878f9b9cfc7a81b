"""Classification: scores, and what is kept of features."""

from __future__ import annotations

import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.config import HeadConfig
from crossjepa.models.heads import PooledFeatures
from crossjepa.train.finetune import FinetuneConfig
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.tasks import ClassificationTask, Score, make_task
from tests.helpers.heads import with_head

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


def test_the_threshold_rejects_a_twentieth_of_the_right_answers(tiny: CrossJEPAEncoder) -> None:
    model, task = with_head(tiny, HEAD), ClassificationTask(FinetuneConfig())
    points = tuple(torch.nn.functional.normalize(torch.randn(60, 64, 3), dim=-1))
    unlabeled = LabeledClouds(points, torch.zeros(60, dtype=torch.int64))
    shares_nK = model.predict_proba(unlabeled.prepared())
    answer_n = torch.from_numpy(shares_nK.argmax(axis=1))
    labels_n = torch.where(torch.arange(60) < 40, answer_n, (answer_n + 1) % 3)
    found = task.calibrate(model, LabeledClouds(points, labels_n))
    right_n, wrong_n = shares_nK.max(axis=1)[:40], shares_nK.max(axis=1)[40:]
    assert found["unknown_right"] == (right_n < found["unknown_below"]).mean()
    assert 0.02 <= found["unknown_right"] <= 0.05
    assert found["unknown_wrong"] == (wrong_n < found["unknown_below"]).mean()
    assert task.calibrate(model, LabeledClouds((), torch.zeros(0, dtype=torch.int64))) == {}
    assert task.calibrate(model, LabeledClouds(points, (answer_n + 1) % 3)) == {}
