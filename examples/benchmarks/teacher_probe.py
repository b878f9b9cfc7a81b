"""What a frozen teacher knows of the objects in a cache, by the number of views: what there is to be learned.

    python examples/benchmarks/teacher_probe.py CACHE CLOUDS.npz [--views 1 2 4 8] [--model crossjepa-base]

CACHE was made of the training split of CLOUDS.npz, which holds `names`, `labels` and `split`. The features
of an object are the mean of the teacher's embeddings of that many views, evenly spread over the rig. Scores
are of cross-validation (linear SVM, best scaling and C) and of leaving one out (nearest neighbor, cosine) on
these clouds; clouds of a test split are refused.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa import CrossJEPAEncoder
from crossjepa.evaluate.knn import unit_features, vote
from crossjepa.evaluate.linear import fit_linear_svm
from crossjepa.train.cache import Cache, open_cache


def read_labels(cache: Cache, clouds: str) -> NDArray[np.int64]:
    """Returns the class of every object of the cache.

    Raises:
        ValueError: an object of the cache is not in the file, or belongs to its test split.
    """
    with np.load(clouds) as archive:
        rows = zip(archive["names"].astype(str), archive["labels"], archive["split"], strict=True)
        label_of = {name: int(label) for name, label, split in rows if split != "test"}
    unknown = [name for name in cache.manifest["names"] if name not in label_of]
    if unknown:
        raise ValueError(f"{clouds}: {unknown[0]} and {len(unknown) - 1} more are not in its training split")
    return np.array([label_of[name] for name in cache.manifest["names"]])


def show(name: str, features_nE: NDArray[np.floating], labels_n: NDArray[np.int64]) -> None:
    """Prints the scores of one set of features."""
    machine = fit_linear_svm(features_nE, labels_n, jobs=-1)
    unit_nE, _ = unit_features(features_nE, features_nE[:1])
    nearest = float((vote(unit_nE, unit_nE, labels_n, [1], leave_out_self=True)[0] == labels_n).mean())
    best = max(machine.cross_validation.values())
    print(
        f"{name:<24} {features_nE.shape[1]:>5} {best:>8.2%} {machine.scaling:>12} {machine.cost:>7g} "
        f"{nearest:>8.2%}",
        flush=True,
    )


def main() -> None:
    """Prints a row for each number of views, and one for each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cache", type=Path, metavar="CACHE")
    parser.add_argument("clouds", metavar="CLOUDS.npz")
    parser.add_argument("--views", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--model", nargs="*", default=["crossjepa-base"], help="encoders to compare")
    options = parser.parse_args()
    cache = open_cache(options.cache)
    labels_n = read_labels(cache, options.clouds)
    print(f"{'features':<24} {'width':>5} {'SVM, CV':>8} {'scaling':>12} {'C':>7} {'1-NN':>8}")
    embeddings_nVD = np.asarray(cache.embeddings_SVD[:])
    for views in options.views:
        every = embeddings_nVD.shape[1] // views
        show(f"teacher, {views} views", embeddings_nVD[:, ::every][:, :views].mean(axis=1), labels_n)
    points_nP3 = np.asarray(cache.points_SP3[:], dtype=np.float32)
    for name in options.model:
        encoder = CrossJEPAEncoder.from_pretrained(name)
        show(name, encoder.encode(points_nP3, up_axis="y"), labels_n)


if __name__ == "__main__":
    main()
