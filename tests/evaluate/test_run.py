"""Running protocols: sources of features by name, options, and what is left unread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets import Dataset, load
from crossjepa.datasets.splits import limit
from crossjepa.evaluate import evaluate, find_extractor
from tests.evaluate.conftest import SOLIDS, Spreads, save


def test_extractors_by_name(boxes: Dataset) -> None:
    small = limit(boxes, 2)
    assert find_extractor("d2", small).name == "d2"
    first, again, other = (find_extractor("untrained", small, seed=seed) for seed in (0, 0, 1))
    assert first.describe() == again.describe() != other.describe()
    assert find_extractor("crossjepa-base", small).describe()["kind"] == "encoder"


def test_unknown_protocol(boxes: Dataset, spreads: Spreads) -> None:
    with pytest.raises(ValueError, match="point-m2ae"):
        evaluate("svm", boxes, spreads)


def test_holdout_never_reads_the_test_split(tmp_path: Path, spreads: Spreads) -> None:
    path = save(tmp_path / "boxes.npz")
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["points"][arrays["split"] == "test"] = np.nan
    np.savez(path, **arrays)
    dataset = load("clouds", path)
    result = evaluate("linear", dataset, spreads, holdout=True)
    assert result.table[0]["test on"] == "holdout"
    assert (result.table[0]["train"], result.table[0]["test"]) == (24 * SOLIDS, 6 * SOLIDS)
    with pytest.raises(PointCloudError, match="none of its 64 points is finite"):
        evaluate("linear", dataset, spreads)


def test_folds_and_settings(boxes: Dataset, spreads: Spreads) -> None:
    result = evaluate("fewshot", boxes, spreads, folds=3, settings=[(3, 5)])
    assert [(row["way"], row["shot"], row["folds"]) for row in result.table] == [(3, 5, 3)]
    with pytest.raises(ValueError, match="protocol linear has no option folds"):
        evaluate("linear", boxes, spreads, folds=3)
    for wrong in ({"settings": [(0, 5)]}, {"folds": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            evaluate("fewshot", boxes, spreads, **wrong)
