"""Figures by class, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa.result import Predictions
from crossjepa.train.finetune.report import (
    class_rows,
    confusion_matrix,
    read_predictions,
    write_confusion,
    write_predictions,
)

TRUTH, PREDICTED = np.array([0, 0, 0, 2]), np.array([0, 1, 1, 2])


def test_rows_of_the_tested_classes() -> None:
    confusion_KK = confusion_matrix(TRUTH, PREDICTED, 3)
    assert confusion_KK.tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 1]]
    first, second = class_rows(confusion_KK, ("a", "b", "c"))
    assert first == {
        "class": "a", "test": 3, "right": 1, "recall": pytest.approx(1 / 3), "mistaken for": "b (2)"
    }  # fmt: skip
    assert (second["class"], second["recall"], second["mistaken for"]) == ("c", 1.0, "")


def test_confusion_is_a_table(tmp_path: Path) -> None:
    write_confusion(tmp_path, confusion_matrix(TRUTH, PREDICTED, 3), ("a", "b", "c"))
    assert (tmp_path / "confusion.csv").read_text().split() == [
        "true",
        "class,a,b,c",
        "a,1,2,0",
        "b,0,0,0",
        "c,0,0,1",
    ]


@pytest.mark.parametrize("scores", [None, np.array([0.5, 0.25, 1.0, 0.125])])
def test_predictions_come_out_as_they_went_in(tmp_path: Path, scores: np.ndarray | None) -> None:
    classes, rows_n = ("a", 'b, "c"', "\udce9"), np.array([7, 3, 9, 4])
    path = tmp_path / "predictions.csv"
    write_predictions(path, Predictions(rows_n, TRUTH, PREDICTED, classes, scores), ["w", "x,y", "y", "z"])
    found = read_predictions(path, classes)
    for ours, true in ((found.rows_n, rows_n), (found.truth_n, TRUTH), (found.predicted_n, PREDICTED)):
        assert (ours == true).all()
    assert found.scores_n is not None
    assert np.isnan(found.scores_n).all() if scores is None else (found.scores_n == scores).all()
    with pytest.raises(ValueError, match="no predictions of these classes"):
        read_predictions(path, ("other",))
