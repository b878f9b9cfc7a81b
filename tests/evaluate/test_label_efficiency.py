"""Label efficiency: nested subsets of the labels."""

from __future__ import annotations

from crossjepa.datasets import Dataset
from crossjepa.evaluate import evaluate
from tests.evaluate.conftest import SOLIDS, Spreads


def test_label_efficiency(boxes: Dataset, spreads: Spreads) -> None:
    result = evaluate("label-efficiency", boxes, spreads)
    assert [(row["labels"], row["train"]) for row in result.table] == [
        ("1%", 6), ("5%", 6), ("10%", 18), ("50%", 90), ("100%", 180)
    ]  # fmt: skip
    assert result.metrics["accuracy_100%"] == evaluate("linear", boxes, spreads).metrics["accuracy"]
    assert result.metrics["accuracy_100%"] > result.metrics["accuracy_1%"] > 1 / SOLIDS
