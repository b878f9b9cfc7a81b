"""Few-shot folds, drawn and published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from crossjepa.datasets import Dataset
from crossjepa.datasets.splits import limit
from crossjepa.evaluate import evaluate, evaluate_folds
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.fewshot import draw_folds
from tests.evaluate.conftest import Spreads
from tests.helpers import dataset_writers as writers


def test_fewshot_folds(boxes: Dataset, spreads: Spreads) -> None:
    result = evaluate("fewshot", boxes, spreads)
    assert [(row["way"], row["shot"], row["folds"]) for row in result.table] == [(5, 10, 10), (5, 20, 10)]
    assert len(result.settings["skipped"]) == 2
    assert result.metrics["5w10s"] == result.table[0]["mean"] > 0.6
    assert result.metrics == evaluate("fewshot", boxes, Spreads()).metrics
    assert result.metrics != evaluate("fewshot", boxes, Spreads(), seed=1).metrics
    with pytest.raises(ValueError, match="too small"):
        evaluate("fewshot", limit(boxes, 9), spreads)


def test_fewshot_queries_are_not_in_the_support(boxes: Dataset, spreads: Spreads) -> None:
    for fold in draw_folds(EvaluationContext(boxes, spreads), 5, 10, 3, queries_from_train=True):
        assert not set(fold.support_n.tolist()) & set(fold.queries_m.tolist())
        assert (len(fold.support_n), len(fold.queries_m)) == (50, 100)
        assert set(boxes.labels_n[fold.support_n]) == set(boxes.labels_n[fold.queries_m])


def test_fewshot_split_files(tmp_path: Path, spreads: Spreads) -> None:
    for fold in range(2):
        writers.fewshot_fold(tmp_path / "2way_3shot" / f"{fold}.pkl", way=2, shot=3, queries=4)
    result = evaluate_folds(tmp_path, spreads)
    (row,) = result.table
    assert (row["way"], row["shot"], row["folds"]) == (2, 3, 2)
    train, test = writers.clouds(6, seed=0), writers.clouds(8, seed=1)
    support, queries = (
        spreads.extract([cloud.astype(float) for cloud in part], "y") for part in (train, test)
    )
    scaler = StandardScaler().fit(support)
    machine = SVC(kernel="linear", C=1.0).fit(scaler.transform(support), np.repeat([0, 1], 3))
    assert row["mean"] == machine.score(scaler.transform(queries), np.repeat([0, 1], 4))
