"""The context of an evaluation: divisions and features of real clouds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import Dataset, load
from crossjepa.evaluate import EncoderFeatures, evaluate
from crossjepa.evaluate.context import EvaluationContext
from tests.evaluate.conftest import Spreads


def test_every_fold_is_a_row(tmp_path: Path, spreads: Spreads) -> None:
    clouds, labels = np.random.default_rng(0).normal(size=(30, 8, 3)), np.arange(30) % 3
    np.savez(tmp_path / "folds.npz", points=clouds, labels=labels, split=np.array(["fold0", "fold1"] * 15))
    result = evaluate("linear", load("clouds", tmp_path / "folds.npz"), spreads)
    assert [row["test on"] for row in result.table] == ["fold0", "fold1"]
    assert "deviation" in result.metrics


def test_classes_of_one_side_are_left_out(tmp_path: Path, spreads: Spreads) -> None:
    clouds, labels = np.random.default_rng(0).normal(size=(40, 8, 3)), np.repeat([0, 1, 2, 3], 10)
    split = np.array((["train"] * 5 + ["test"] * 5) * 2 + ["train"] * 10 + ["test"] * 10)
    np.savez(tmp_path / "psb.npz", points=clouds, labels=labels, split=split)
    row = evaluate("linear", load("clouds", tmp_path / "psb.npz"), spreads).table[0]
    assert (row["classes"], row["train"], row["test"]) == (2, 10, 10)
    assert evaluate("retrieval", load("clouds", tmp_path / "psb.npz"), spreads).table[0]["test"] == 20


def test_real_clouds(modelnet_train: Dataset, tiny: CrossJEPAEncoder) -> None:
    context = EvaluationContext(modelnet_train, EncoderFeatures(tiny, "tiny"), holdout=True)
    assert len(context.division.partitions[0].test_m) == 12
    result = evaluate("linear", modelnet_train, tiny, holdout=True)
    assert result.metrics["accuracy"] > 2 / 6
