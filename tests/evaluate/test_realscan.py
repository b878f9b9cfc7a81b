"""Scans: folds that keep groups together, and transfer from CAD models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import Dataset, load
from crossjepa.evaluate import EncoderFeatures, evaluate
from crossjepa.evaluate.realscan import balanced_accuracy, shared_class_names
from tests.evaluate.conftest import Spreads, save


def test_groups_are_never_divided(tmp_path: Path) -> None:
    """Copies of random clouds with random labels: those who divide them between train and test know them."""
    rng = np.random.default_rng(0)
    clouds = rng.normal(size=(60, 64, 3)) * rng.uniform(0.2, 3, size=(60, 1, 3))
    labels = rng.integers(0, 3, 60)
    path = tmp_path / "copies.npz"
    np.savez(
        path, points=np.tile(clouds, (4, 1, 1)), labels=np.tile(labels, 4), group=np.tile(np.arange(60), 4)
    )
    copies = load("clouds", path)
    assert copies.groups[:2] == ("0", "1")
    together = evaluate("realscan", copies, Spreads())
    divided = evaluate("realscan", replace(copies, groups=()), Spreads())
    assert together.settings["groups"] == "60 groups of 240 objects, never divided"
    assert divided.settings["groups"] == "240 groups of 240 objects, never divided"
    assert together.metrics["accuracy"] < 0.5
    assert divided.metrics["accuracy"] > together.metrics["accuracy"] + 0.05


def test_the_splits_of_the_scans_play_no_role(boxes: Dataset) -> None:
    result = evaluate("realscan", boxes, Spreads())
    assert result.data["division"] == "5 folds that keep groups together"
    assert [row["test"] for row in result.table] == [len(boxes)] * 5
    one_split = replace(boxes, splits=("all",) * len(boxes))
    assert evaluate("realscan", one_split, Spreads()).metrics == result.metrics
    with pytest.raises(ValueError, match="no holdout"):
        evaluate("realscan", boxes, Spreads(), holdout=True)


def test_classes_with_a_single_group_are_left_out(boxes: Dataset) -> None:
    groups = [str(place) if label else "all of it" for place, label in enumerate(boxes.labels_n.tolist())]
    result = evaluate("realscan", replace(boxes, groups=tuple(groups)), Spreads())
    assert result.table[0]["classes"] == 5
    assert result.settings["left out"] == "55 objects of classes with a single group"
    with pytest.raises(ValueError, match="5 folds need at least 5 groups"):
        evaluate("realscan", replace(boxes, groups=("one",) * len(boxes)), Spreads())


def test_every_class_counts_the_same() -> None:
    labels, predicted = np.array([0, 0, 0, 0, 1, 2]), np.array([0, 0, 0, 1, 1, 0])
    assert balanced_accuracy(predicted, labels) == pytest.approx((0.75 + 1 + 0) / 3)


def test_transfer_reads_no_test_split_of_the_models(tmp_path: Path) -> None:
    path = save(tmp_path / "models.npz", classes=np.array(["a", "b", "c", "d", "e", "f"]))
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["points"][arrays["split"] == "test"] = np.nan
    np.savez(path, **arrays)
    models = load("clouds", path)
    scans = load("clouds", save(tmp_path / "scans.npz", classes=np.array(["a", "x", "c", "y", "z", "f"])))
    result = evaluate("realscan", scans, Spreads(), cad=models, class_map={"x": "b"})
    row = result.table[-1]
    assert (row["test on"], row["classes"], row["train"]) == ("scans, fitted on clouds", 4, 4 * 30)
    assert row["test"] == 4 * 55
    assert result.metrics["transfer_accuracy"] == row["accuracy"] > 0.8
    assert "a, x as b, c, f" in result.settings["transfer"]


def test_classes_are_shared_by_name_or_map() -> None:
    scans, cad = ("can", "cup", "shoe"), ("bottle", "cup", "sofa")
    assert shared_class_names(scans, cad, {"can": "bottle"}) == {"can": "bottle", "cup": "cup"}
    for wrong, word in (
        ({"tin": "bottle"}, "the scans have no class tin; they have can, cup, shoe"),
        ({"can": "glass"}, "the CAD models have no class glass"),
        ({"can": "cup"}, "at least two are needed"),
        ({}, "at least two are needed"),
    ):
        with pytest.raises(ValueError, match=word):
            shared_class_names(scans, cad, wrong)


def test_a_map_needs_models(boxes: Dataset) -> None:
    with pytest.raises(ValueError, match="a class map needs"):
        evaluate("realscan", boxes, Spreads(), class_map={"0": "1"})


def test_real_scans(shared: Path, tiny: CrossJEPAEncoder) -> None:
    scans = load("clouds", shared / "data" / "household_scans.npz", up_axis="z")
    assert len(set(scans.groups)) < len(scans) == 242
    result = evaluate("realscan", scans, EncoderFeatures(tiny, "tiny"), progress=False)
    assert result.table[0]["classes"] == 12
    assert 0.3 < result.metrics["balanced_accuracy"] < result.metrics["accuracy"] < 0.9
