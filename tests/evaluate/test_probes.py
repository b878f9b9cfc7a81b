"""Linear classifiers, ours and the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.svm import SVC, LinearSVC

from crossjepa.datasets import Dataset, load
from crossjepa.evaluate import evaluate, fit_linear_svm
from crossjepa.evaluate.probes import PUBLISHED
from tests.evaluate.conftest import Spreads, save


def features(dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    subset = dataset.subset(split)
    return Spreads().extract([sample.points_N3 for sample in subset], "y"), subset.labels_n


def test_linear_is_the_existing_protocol(boxes: Dataset, spreads: Spreads) -> None:
    result = evaluate("linear", boxes, spreads)
    machine = fit_linear_svm(*features(boxes, "train"))
    assert result.metrics["accuracy"] == machine.score(*features(boxes, "test")) > 0.6
    assert result.table[0]["C"] == machine.cost


@pytest.mark.parametrize(
    ("protocol", "machine"),
    [
        ("crosspoint", SVC(kernel="linear", C=0.01)),
        ("point-m2ae", SVC(kernel="linear", C=0.012)),
        ("recon", LinearSVC(C=0.075, dual=True, random_state=0)),
        ("point-mae", LinearSVC(C=1.0, dual=True, random_state=0)),
    ],
)
def test_published_protocols(
    boxes: Dataset, spreads: Spreads, protocol: str, machine: SVC | LinearSVC
) -> None:
    result = evaluate(protocol, boxes, spreads)
    expected = machine.fit(*features(boxes, "train")).score(*features(boxes, "test"))
    assert result.metrics["accuracy"] == expected
    assert result.settings["deviations"]
    assert result.settings["deviations"][0] in result.to_text()
    assert set(spreads.pools) == {"max+mean"}


def test_i2p_mae_has_a_cost_for_two_data_sets(tmp_path: Path, boxes: Dataset, spreads: Spreads) -> None:
    assert PUBLISHED["i2p-mae"].cost("modelnet40") == 0.0093
    assert PUBLISHED["i2p-mae"].cost("scanobjectnn-obj-bg") == 0.018
    with pytest.raises(ValueError, match="fixes C only for modelnet40"):
        evaluate("i2p-mae", boxes, spreads)
    named = load("modelnet40", save(tmp_path / "named.npz"))
    result = evaluate("i2p-mae", named, spreads)
    expected = SVC(kernel="linear", C=0.0093).fit(*features(named, "train")).score(*features(named, "test"))
    assert result.metrics["accuracy"] == expected
    assert set(spreads.pools) == {"max"}


def test_crosspoint_takes_the_first_points(tmp_path: Path, spreads: Spreads) -> None:
    clouds, labels = np.random.default_rng(0).normal(size=(20, 1500, 3)), np.arange(20) % 2
    np.savez(tmp_path / "clouds.npz", points=clouds, labels=labels)
    evaluate("crosspoint", load("clouds", tmp_path / "clouds.npz"), spreads)
    assert set(spreads.seen) == {1024}
