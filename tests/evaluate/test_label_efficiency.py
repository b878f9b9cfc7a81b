"""Label efficiency: nested subsets of the labels."""

from __future__ import annotations

import numpy as np

from crossjepa.datasets import Dataset
from crossjepa.datasets.splits import draw_per_class
from crossjepa.evaluate import evaluate
from tests.evaluate.conftest import SOLIDS, Spreads


def test_label_subsets_are_nested_and_keep_every_class() -> None:
    labels = np.repeat(np.arange(4), [100, 40, 10, 1])
    everything = np.arange(len(labels))
    previous: set[int] = set()
    for share, sizes in (
        (0.01, [1, 1, 1, 1]),
        (0.1, [10, 4, 1, 1]),
        (0.5, [50, 20, 5, 1]),
        (1.0, [100, 40, 10, 1]),
    ):
        drawn = draw_per_class(labels, everything, share, seed=2, at_least=1)
        assert np.bincount(labels[drawn]).tolist() == sizes
        assert previous <= set(drawn.tolist())
        previous = set(drawn.tolist())


def test_label_efficiency(boxes: Dataset, spreads: Spreads) -> None:
    result = evaluate("label-efficiency", boxes, spreads)
    assert [(row["labels"], row["train"]) for row in result.table] == [
        ("1%", 6), ("5%", 6), ("10%", 18), ("50%", 90), ("100%", 180)
    ]  # fmt: skip
    assert result.metrics["accuracy_100%"] == evaluate("linear", boxes, spreads).metrics["accuracy"]
    assert result.metrics["accuracy_100%"] > result.metrics["accuracy_1%"] > 1 / SOLIDS
