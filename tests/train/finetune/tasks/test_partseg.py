"""Part segmentation: query points, weights, parts of classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import Dataset, load
from crossjepa.train.finetune import FinetuneConfig
from crossjepa.train.finetune.augment import QUERY, SHAPE, generators
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.data import read_clouds
from crossjepa.train.finetune.frozen import read_features
from crossjepa.train.finetune.tasks import PartSegmentationTask, make_task
from tests.helpers.finetune_data import write_folder, write_parts

STILL = FinetuneConfig.of(task="partseg", query_points=50, scale_range=0.0, translate=0.0, jitter=0.0)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load("clouds", write_parts(tmp_path / "parts.npz", 2))


@pytest.fixture
def clouds(dataset: Dataset, tiny: CrossJEPAEncoder) -> LabeledClouds:
    return read_clouds(dataset, tiny.processor, with_parts=True)


def test_the_recipe_chooses_the_task(tmp_path: Path) -> None:
    task = make_task(STILL)
    assert type(task) is PartSegmentationTask
    with pytest.raises(ValueError, match="no part labels: --task partseg needs"):
        task.select_learnable(load("folder", write_folder(tmp_path / "data", 1)))


def test_query_points_have_their_parts_and_move_with_their_cloud(clouds: LabeledClouds) -> None:
    task, rows = PartSegmentationTask(STILL), [3, 0]
    batch = task.make_batch(clouds, rows, "y", generators(0, SHAPE, 0, rows), generators(0, QUERY, 0, rows))
    assert batch.queries_BQ3 is not None and batch.target.shape == (2, 50)
    for row, queries_Q3, parts_Q in zip(rows, batch.queries_BQ3, batch.target, strict=True):
        distance_QN = (queries_Q3[:, None] - clouds.queries[row]).norm(dim=-1)
        assert distance_QN.amin(dim=1).max() < 1e-5
        assert torch.equal(clouds.parts[row][distance_QN.argmin(dim=1)], parts_Q)
    moved = PartSegmentationTask(STILL.change(scale_range=0.3, translate=0.1))
    both = moved.make_batch(clouds, rows, "y", generators(0, SHAPE, 0, rows), generators(0, QUERY, 0, rows))
    assert both.queries_BQ3 is not None
    scale_B13 = (both.points_BN3[:, :1] - both.points_BN3[:, 1:2]) / (
        batch.points_BN3[:, :1] - batch.points_BN3[:, 1:2]
    )
    differences = (both.queries_BQ3[:, :1] - both.queries_BQ3) - scale_B13 * (
        batch.queries_BQ3[:, :1] - batch.queries_BQ3
    )
    assert differences.abs().max() < 1e-4


def test_score_and_weights(dataset: Dataset, clouds: LabeledClouds, tiny: CrossJEPAEncoder) -> None:
    task = PartSegmentationTask(STILL.change(class_weights="balanced"))
    head = task.head_config(dataset, clouds)
    assert head.class_parts == ((0, 1), (2, 3))
    tiny.reset_classifier(head)
    weights = task.class_weights(clouds, tiny)
    assert weights is not None
    counts = torch.bincount(torch.cat(clouds.parts)).float()
    torch.testing.assert_close(weights * counts, (weights * counts)[:1].expand(4))
    features = read_features(tiny, clouds, 3)
    values = task.log_values(task.score(tiny, features, clouds))
    assert list(values) == ["validation_miou", "validation_accuracy"]
    assert 0 < values["validation_miou"] < 1
    again = [task.unpack(task.pack(batch)) for batch in features]
    assert task.score(tiny, again, clouds).value == pytest.approx(values["validation_miou"], abs=0.05)
