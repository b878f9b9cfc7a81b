"""Layouts and clusters of features whose groups are known."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.view.plane import Method, centered_units, find_clusters, to_plane

pytest.importorskip("sklearn", reason="maps need the extra `view`")


def groups(sizes: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Features of groups around random directions, far from the origin as real ones are."""
    generator = np.random.default_rng(0)
    labels_n = np.repeat(np.arange(len(sizes)), sizes)
    centers = generator.normal(size=(len(sizes), 24))
    return centers[labels_n] + 0.15 * generator.normal(size=(len(labels_n), 24)) + 20, labels_n


@pytest.mark.parametrize("method", ["tsne", "pca", "umap"])
def test_neighbors_in_the_plane_are_of_one_group(method: Method) -> None:
    if method == "umap" and importlib.util.find_spec("umap") is None:
        pytest.skip("umap-learn is not installed")
    features_nE, labels_n = groups((20, 15, 10))
    places_n2, used = to_plane(features_nE, method)
    assert used == {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}[method]
    distance_nn = np.linalg.norm(places_n2[:, None] - places_n2, axis=2)
    np.fill_diagonal(distance_nn, np.inf)
    assert (labels_n[distance_nn.argmin(axis=1)] == labels_n).mean() > 0.95
    assert (to_plane(features_nE, method)[0] == places_n2).all()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 8])
def test_few_shapes_have_places_too(count: int) -> None:
    places_n2, _ = to_plane(groups((count,))[0])
    assert places_n2.shape == (count, 2)
    assert np.isfinite(places_n2).all()
    assert len(find_clusters(groups((count,))[0])) == count


def test_clusters_are_the_groups_the_largest_first() -> None:
    features_nE, labels_n = groups((10, 30, 20))
    found_n = find_clusters(features_nE)
    assert (found_n == np.array([2, 0, 1])[labels_n]).all()
    assert len(np.unique(find_clusters(features_nE, 5))) == 5
    assert (find_clusters(features_nE, 1) == 0).all()


def test_mistakes() -> None:
    features_nE, _ = groups((7,))
    with pytest.raises(ValueError, match="method must be"):
        to_plane(features_nE, "grid")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="8 clusters of 7 shapes"):
        find_clusters(features_nE, 8)
    assert np.isfinite(centered_units(np.ones((3, 4)))).all()
