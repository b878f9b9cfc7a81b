"""Figures by class, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa.train.finetune.report import class_rows, confusion_matrix, write_confusion

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
