"""The protocols on small data whose answers are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import Dataset, load
from crossjepa.datasets.splits import limit
from crossjepa.evaluate import PROTOCOLS, evaluate
from tests.evaluate.conftest import Spreads, save


@pytest.mark.parametrize(
    "protocol",
    [
        name
        for name in PROTOCOLS
        if name not in ("i2p-mae", "fewshot-finetuned", "partseg-linear", "modelnet-c", "modelnet40-c")
    ],
)
def test_every_protocol_gives_a_full_result(boxes: Dataset, spreads: Spreads, protocol: str) -> None:
    boxes = limit(boxes, 40)
    if protocol == "fewshot-crosspoint":
        boxes = limit(boxes, 30)
    result = evaluate(protocol, boxes, spreads, progress=False)
    assert all(0 <= value <= 1 for name, value in result.metrics.items())
    assert result.data["checksum"] == boxes.checksum()
    assert set(result.versions) == {"crossjepa", "python", "numpy", "torch", "scikit-learn"}
    assert set(result.seconds) == {"features", "protocol"}
    columns = {tuple(row) for row in result.table}
    assert len(columns) == 1
    assert json.loads(result.to_json()) == result.to_dict()
    assert result.protocol in result.to_text()


def test_nothing_is_chosen_on_the_test_split(tmp_path: Path, boxes: Dataset, spreads: Spreads) -> None:
    with np.load(save(tmp_path / "same.npz")) as archive:
        arrays = dict(archive)
    test = arrays["split"] == "test"
    arrays["labels"][test] = np.random.default_rng(0).permutation(arrays["labels"][test])
    np.savez(tmp_path / "mixed.npz", **arrays)
    mixed = load("clouds", tmp_path / "mixed.npz")
    chosen = ("C", "scaling", "k", "validation")
    for protocol in ("linear", "logistic", "knn"):
        first, second = (evaluate(protocol, dataset, spreads).table[0] for dataset in (boxes, mixed))
        assert {key: first[key] for key in chosen if key in first} == {
            key: second[key] for key in chosen if key in second
        }
        assert second["accuracy"] < 0.5 < first["accuracy"]
