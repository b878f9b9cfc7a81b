"""Part segmentation of a data set with any function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import load
from crossjepa.evaluate import evaluate_parts


def test_evaluate_parts(tmp_path: Path) -> None:
    path = tmp_path / "parts.npz"
    np.savez(path, points=np.random.default_rng(0).normal(size=(2, 4, 3)), labels=np.array([0, 1]),
             part_labels=np.array([[0, 0, 1, 1], [2, 2, 2, 2]]), classes=np.array(["Cup", "Mug"]),
             part_names=np.array(["Cup/a", "Cup/b", "Mug/a"]))  # fmt: skip
    dataset = load("clouds", path)
    first = evaluate_parts(lambda sample: np.full(4, dataset.class_parts[sample.label or 0][0]), dataset)
    assert first.metrics == pytest.approx({"instance_miou": 0.625, "class_miou": 0.625, "accuracy": 0.75})
    assert first.table[0] == {"class": "Cup", "shapes": 1, "miou": 0.25}
