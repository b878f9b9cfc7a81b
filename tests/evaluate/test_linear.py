"""The linear probe."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import SVC

from crossjepa.evaluate import fit_linear_svm
from crossjepa.evaluate.linear import scale_features


def blobs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping classes in 8 channels of very different size."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count)
    centers = np.random.default_rng(9).normal(size=(3, 8)) * 2
    features = (centers[labels] + generator.normal(size=(count, 8))) * 10.0 ** np.arange(-3, 5)
    return features.astype(np.float32), labels


@pytest.mark.parametrize("scaling", ["standardized", "raw"])
def test_equals_scikit_learns_own_linear_machine(scaling: str) -> None:
    (train, train_labels), (test, test_labels) = blobs(150, 0), blobs(100, 1)
    machine = fit_linear_svm(train, train_labels, costs={scaling: [0.5]})
    scaled_train, scaled_test = scale_features(train, test, scaling)
    expected = SVC(kernel="linear", C=0.5).fit(scaled_train, train_labels).score(scaled_test, test_labels)
    assert machine.score(test, test_labels) == expected
    assert (machine.scaling, machine.cost) == (scaling, 0.5)


def test_choice_is_made_by_cross_validation() -> None:
    (train, train_labels), (test, test_labels) = blobs(150, 0), blobs(100, 1)
    machine, again = fit_linear_svm(train, train_labels), fit_linear_svm(train, train_labels)
    found = machine.cross_validation
    assert found[f"{machine.scaling} {machine.cost:g}"] == max(found.values())
    assert machine.scaling == "standardized"  # the channels differ by seven orders of magnitude
    assert machine.score(test, test_labels) > 0.8
    assert again.cross_validation == found
    assert again.score(test, test_labels) == machine.score(test, test_labels)


def test_labels_without_meaning_give_chance() -> None:
    (train, _), (test, _) = blobs(200, 0), blobs(300, 1)
    labels = np.random.default_rng(3).integers(0, 3, 500)
    assert fit_linear_svm(train, labels[:200]).score(test, labels[200:]) < 0.45
