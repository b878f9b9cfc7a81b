"""Features in a plane, and the clusters that they form.

n shapes, E embedding width
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Method: TypeAlias = Literal["auto", "tsne", "umap", "pca"]
MOST_CLUSTERS = 12
# Fewer shapes have no neighborhoods that t-SNE could keep.
_FEWEST = 6


def centered_units(features_nE: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns features less their mean, scaled to unit length: what cosines of them mean something for."""
    centered_nE = features_nE - features_nE.mean(axis=0, dtype=np.float64)
    lengths_n1 = np.linalg.norm(centered_nE, axis=1, keepdims=True)
    return np.asarray(centered_nE / np.where(lengths_n1 > 0, lengths_n1, 1.0))


def to_plane(
    features_nE: NDArray[np.floating], method: Method = "auto", seed: int = 0
) -> tuple[NDArray[np.float64], str]:
    """Lays features out in a plane so that similar ones are near each other.

    Args:
        features_nE: (n, E) features, n >= 1.
        method: "tsne", "umap" or "pca"; "auto" takes UMAP if it is installed, else t-SNE. Fewer than 6 shapes
            are always laid out by PCA.
        seed: seed of everything random.

    Returns:
        (n, 2) places, and the name of the method that was used.

    Raises:
        ImportError: scikit-learn is missing, or umap-learn if it was asked for.
        ValueError: there is no such method.
    """
    if method not in ("auto", "tsne", "umap", "pca"):
        raise ValueError(f"method must be auto, tsne, umap or pca, not {method!r}")
    units_nE = centered_units(features_nE)
    count = len(units_nE)
    if method == "pca" or count < _FEWEST:
        _, _, axes_EE = np.linalg.svd(units_nE, full_matrices=False)
        places_n2 = np.zeros((count, 2))
        places_n2[:, : min(2, len(axes_EE))] = units_nE @ axes_EE[:2].T
        return places_n2, "PCA"
    umap = _umap(method)
    if umap is not None:
        plane = umap.UMAP(n_neighbors=min(15, count - 1), metric="cosine", random_state=seed, n_jobs=1)
        return np.asarray(plane.fit_transform(units_nE), np.float64), "UMAP"
    sklearn = _sklearn()
    perplexity = min(30.0, (count - 1) / 3)
    plane = sklearn.manifold.TSNE(perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(plane.fit_transform(units_nE), np.float64), "t-SNE"


def find_clusters(
    features_nE: NDArray[np.floating], count: int | None = None, seed: int = 0
) -> NDArray[np.int64]:
    """Finds clusters by k-means on centered unit features.

    Args:
        features_nE: (n, E) features.
        count: number of clusters; by default the one from 2 to 12 with the best silhouette.
        seed: seed of everything random.

    Returns:
        (n,) number of the cluster of each shape, the largest cluster first.

    Raises:
        ImportError: scikit-learn is missing; install `crossjepa[view]`.
        ValueError: there are fewer shapes than clusters.
    """
    units_nE = centered_units(features_nE)
    if count is not None and not 1 <= count <= len(units_nE):
        raise ValueError(
            f"{count} clusters of {len(units_nE)} shapes: from 1 to {len(units_nE)} are possible"
        )
    if count == 1 or (count is None and len(units_nE) < 4):
        return np.zeros(len(units_nE), np.int64)
    sklearn, best, found_n = _sklearn(), -2.0, np.zeros(len(units_nE), np.int64)
    for number in [count] if count else range(2, min(MOST_CLUSTERS, len(units_nE) - 1) + 1):
        machine = sklearn.cluster.KMeans(number, n_init=10, random_state=seed)
        labels_n = np.asarray(machine.fit_predict(units_nE), np.int64)
        score = 0.0 if count else float(sklearn.metrics.silhouette_score(units_nE, labels_n))
        if score > best:
            best, found_n = score, labels_n
    sizes = np.bincount(found_n)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return np.asarray(rank[found_n])


def _umap(method: Method) -> Any:
    """Returns UMAP if it is wanted and there."""
    if method not in ("auto", "umap"):
        return None
    try:
        import umap
    except ImportError as error:
        if method == "umap":
            raise ImportError("this layout needs UMAP: pip install 'crossjepa[umap]'") from error
        return None
    return umap


def _sklearn() -> Any:
    try:
        import sklearn.cluster
        import sklearn.manifold
        import sklearn.metrics
    except ImportError as error:
        raise ImportError("maps need scikit-learn: pip install 'crossjepa[view]'") from error
    return sklearn
