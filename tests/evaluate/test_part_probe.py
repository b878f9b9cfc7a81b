"""The linear probe of features of points.

M points of a shape, E encoder width
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import load
from crossjepa.datasets.splits import divide, with_folds
from crossjepa.evaluate import evaluate, find_extractor
from crossjepa.evaluate.part_probe import RIDGES, Moments, fit_class
from tests.evaluate.conftest import Spreads
from tests.helpers.dataset_writers import shapenetpart_h5
from tests.helpers.finetune_data import write_parts
from tests.helpers.tiny_weights import make_encoder


def test_the_solution_is_that_of_ridge_regression() -> None:
    generator = np.random.default_rng(0)
    features_NE, parts_N = generator.normal(size=(200, 7)) + 3, generator.integers(2, 5, 200)
    parts_P, ready_NX = np.array([2, 3, 4]), np.concatenate([features_NE, np.ones((200, 1))], axis=1)
    moments = Moments.of(ready_NX, parts_N, parts_P)
    half = Moments.of(ready_NX[:90], parts_N[:90], parts_P)
    target_NP = np.stack([parts_N == part for part in (2, 3, 4)], axis=1).astype(float)
    for each, rows in ((moments, slice(None)), (moments - half, slice(90, None))):
        expected = Ridge(0.1 * each.count).fit(features_NE[rows], target_NP[rows])
        np.testing.assert_allclose(each.solve(0.1)[:-1], expected.coef_.T, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(each.solve(0.1)[-1], expected.intercept_, rtol=1e-4)


def test_parts_that_features_tell_apart_are_found() -> None:
    generator = np.random.default_rng(0)
    shapes = []
    for _ in range(6):
        parts_M = generator.permutation(np.repeat([3, 8], 20))
        features_ME = generator.normal(size=(40, 5)).astype(np.float32)
        features_ME[:, 1] += 20 * (parts_M == 8)
        shapes.append((features_ME, parts_M))
    fit = fit_class(shapes, (3, 8), seed=0)
    assert fit.validation_SR.shape == (6, len(RIDGES))
    assert fit.validation_SR[:, :3].min() == 1
    assert all((fit.predict(features_ME, 1e-3) == parts_M).all() for features_ME, parts_M in shapes)


def test_a_shape_is_validated_on_others() -> None:
    """Features that know only their own shape fit it perfectly, and say nothing of another."""
    generator = np.random.default_rng(0)
    shapes = []
    for shape in range(5):
        parts_M = generator.permutation(np.repeat([0, 1], 50))
        features_ME = np.zeros((100, 5), np.float32)
        features_ME[:, shape] = 2 * parts_M - 1
        shapes.append((features_ME, parts_M))
    fit = fit_class(shapes, (0, 1), seed=0)
    assert all((fit.predict(features_ME, 1e-5) == parts_M).all() for features_ME, parts_M in shapes)
    assert fit.validation_SR.max() < 0.5


def test_the_only_shape_of_a_class_validates_nothing() -> None:
    fit = fit_class([(np.eye(4, dtype=np.float32), np.array([0, 0, 1, 1]))], (0, 1), seed=0)
    assert fit.validation_SR.shape == (0, len(RIDGES))


def test_a_data_set_without_splits_is_divided_into_folds(tmp_path: Path) -> None:
    dataset = load("clouds", write_parts(tmp_path / "parts.npz"))
    folded = with_folds(dataset, 5)
    assert set(folded.splits) == {f"fold{number}" for number in range(5)}
    for label in (0, 1):
        counts = Counter(np.array(folded.splits)[dataset.labels_n == label].tolist())
        assert sorted(counts.values()) == [1, 1, 2, 2, 2]
    assert with_folds(dataset, 5).splits == folded.splits != with_folds(dataset, 5, seed=1).splits
    assert with_folds(folded, 3) is folded
    tested = [place for partition in divide(folded).partitions for place in partition.test_m.tolist()]
    assert sorted(tested) == list(range(16))
    halves = replace(dataset, splits=("train",) * 10 + ("test",) * 6)
    assert with_folds(halves, 5) is halves


def test_every_shape_is_tested_once_and_the_result_is_repeatable(tmp_path: Path) -> None:
    dataset = load("clouds", write_parts(tmp_path / "parts.npz"))
    result = evaluate("partseg-linear", dataset, make_encoder(), progress=False)
    assert result.metrics["instance_miou"] > 0.6, "parts are heights, and positions enter the tokens"
    assert [row["shapes"] for row in result.table] == [8, 8]
    assert result.data["division"] == "every one of 5 folds once as test"
    assert set(result.settings["ridge"]) == {f"fold{number}" for number in range(5)}
    assert set(result.settings["ridge"].values()) <= set(RIDGES)
    again = evaluate("partseg-linear", dataset, make_encoder(), progress=False)
    assert (again.metrics, again.table) == (result.metrics, result.table)
    held_out = evaluate("partseg-linear", dataset, make_encoder(), holdout=True, progress=False)
    assert [row["shapes"] for row in held_out.table] == [1, 1]


def test_labels_of_the_test_split_change_no_choice(tmp_path: Path) -> None:
    with np.load(write_parts(tmp_path / "parts.npz")) as archive:
        arrays = dict(archive)
    arrays["split"] = np.array((["train"] * 6 + ["test"] * 2) * 2)
    np.savez(tmp_path / "one.npz", **arrays)
    test = arrays["split"] == "test"
    first = arrays["part_labels"][test] - arrays["part_labels"][test] % 2
    arrays["part_labels"][test] = 2 * first + 1 - arrays["part_labels"][test]
    np.savez(tmp_path / "two.npz", **arrays)
    results = [
        evaluate("partseg-linear", load("clouds", tmp_path / name), make_encoder(), progress=False)
        for name in ("one.npz", "two.npz")
    ]
    assert results[0].settings["ridge"] == results[1].settings["ridge"]
    accuracies = [result.metrics["accuracy"] for result in results]
    assert sum(accuracies) == pytest.approx(1)
    assert accuracies[1] < 0.3


def test_shapenetpart_as_distributed(tmp_path: Path) -> None:
    dataset = load("shapenetpart", shapenetpart_h5(tmp_path / "hdf5_data"))
    result = evaluate("partseg-linear", dataset, make_encoder(), progress=False)
    assert result.metrics["instance_miou"] == 1, "all points of a shape are of one part"
    assert len(result.table) == 16
    assert "tested on test" in result.data["division"]


def test_what_has_no_parts_is_refused(tmp_path: Path, boxes: object, spreads: Spreads) -> None:
    dataset = load("clouds", write_parts(tmp_path / "parts.npz"))
    with pytest.raises(ValueError, match="spreads has no features of points; take an encoder"):
        evaluate("partseg-linear", dataset, spreads)
    plain = load("clouds", tmp_path / "boxes.npz")
    with pytest.raises(ValueError, match="clouds has no part labels"):
        evaluate("partseg-linear", plain, make_encoder())


@pytest.mark.slow
def test_bundled_weights_beat_untrained_ones(shared: Path) -> None:
    dataset = load("clouds", shared / "data" / "labeledpsb_parts_2048.npz").keep_classes([6, 7])
    encoders = CrossJEPAEncoder.from_pretrained("crossjepa-base"), find_extractor("untrained", dataset)
    results = [evaluate("partseg-linear", dataset, encoder, progress=False) for encoder in encoders]
    trained, untrained = (result.metrics["class_miou"] for result in results)
    assert trained > untrained + 0.1
