"""How features are best compared: retrieval by cosines of raw, centered, standardized and whitened features.

    python examples/reproduce/similarity.py --data FOLDER [--model crossjepa-base] [--limit 1500] [--save]

FOLDER holds modelnet40_clouds_1024.npz, of which the training split is used, shapedb69_labels.csv, of which
folds 0 to 3 are, and the packs of meshes, see bundled_weights.py. Statistics are those of objects of
pretraining, or ("own") of the collection itself. `--save` writes mean and deviation to the config.json of the
model, which must be a folder: the same as `crossjepa center`, which takes caches and files.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from meshpack import open_pack
from numpy.typing import NDArray
from shapedb import load_shapedb

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import Dataset, concat, load
from crossjepa.evaluate.knn import retrieval_scores
from crossjepa.similarity import quantize_embeddings
from crossjepa.train.pretrain.center import encode_objects, save_center, statistics

Matrix: TypeAlias = NDArray[np.float64]
MODELNET, SHAPEDB, PACKS = (
    "modelnet40_clouds_1024.npz", "shapedb69_labels.csv", ("meshes_objects.npz", "meshes_games.npz")
)  # fmt: skip
SHRINKAGES = (10.0, 1.0, 0.1)


def changed(rows_nE: Matrix, mean_E: Matrix, scale: Matrix) -> Matrix:
    """Returns rows without a mean, times numbers (E,) or a matrix (E, E)."""
    centered_nE = rows_nE - mean_E
    return centered_nE * scale if scale.ndim == 1 else np.asarray(centered_nE @ scale)


def transforms(objects_nE: Matrix, own_nE: Matrix) -> dict[str, Callable[[Matrix], Matrix]]:
    """Returns the ways to transform features, by name."""
    width = objects_nE.shape[1]
    found = {"raw": partial(changed, mean_E=np.zeros(width), scale=np.ones(width))}
    for prefix, known_nE in (("", objects_nE), ("own ", own_nE)):
        mean_E = known_nE.mean(axis=0)
        found[f"{prefix}centered"] = partial(changed, mean_E=mean_E, scale=np.ones(width))
        found[f"{prefix}standardized"] = partial(changed, mean_E=mean_E, scale=1 / known_nE.std(axis=0))
        variance_E, axes_EE = np.linalg.eigh(np.cov((known_nE - mean_E).T))
        for shrinkage in SHRINKAGES:
            basis_EE = axes_EE / np.sqrt(variance_E + shrinkage * variance_E.mean())
            name = f"{prefix}whitened, shrinkage {shrinkage:g}"
            found[name] = partial(changed, mean_E=mean_E, scale=basis_EE)
    return dict(found)


def show(name: str, rows_nE: Matrix, labels_n: NDArray[np.int64]) -> None:
    """Prints a row of the table."""
    unit_nE = rows_nE / np.linalg.norm(rows_nE, axis=1, keepdims=True)
    scores = retrieval_scores(unit_nE, labels_n)
    cosines = (unit_nE @ unit_nE.T)[np.triu_indices(len(unit_nE), 1)]
    low, middle, high = np.percentile(cosines, [0.1, 50, 99.9])
    print(
        f"{name:<28} {scores['map']:>7.4f} {scores['precision_at_1']:>7.4f} {low:>7.2f} {middle:>7.2f} "
        f"{high:>7.2f}",
        flush=True,
    )


def main() -> None:
    """Prints a table for each collection."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--model", default="crossjepa-base")
    parser.add_argument("--limit", type=int, default=1500, help="objects of each collection")
    parser.add_argument("--save", action="store_true", help="write mean and deviation to the model's folder")
    options = parser.parse_args()
    encoder = CrossJEPAEncoder.from_pretrained(options.model)
    packs = concat([open_pack(options.data / name) for name in PACKS])
    objects_nE = encode_objects(encoder, packs, 2000)
    if options.save:
        save_center(options.model, statistics(objects_nE))
    modelnet = load("clouds", options.data / MODELNET, up_axis="z")
    train = modelnet.select(np.flatnonzero(np.array(modelnet.splits) == "train"))
    shapedb = load_shapedb(options.data / SHAPEDB)
    folds = shapedb.select(np.flatnonzero(np.array(shapedb.splits) != "fold4"))
    for title, dataset in (("ModelNet40, training split", train), ("ShapeDB, folds 0 to 3", folds)):
        rows_n = np.linspace(0, len(dataset) - 1, min(options.limit, len(dataset))).astype(np.int64)
        chosen: Dataset = dataset.select(rows_n)
        features_nE = encode_objects(encoder, chosen, len(chosen))
        print(f"\n{title}, {len(chosen)} objects; cosines at 0.1, 50 and 99.9 %")
        print(f"{'':<28} {'mAP':>7} {'P@1':>7} {'low':>7} {'middle':>7} {'high':>7}")
        ways = transforms(objects_nE.astype(np.float64), features_nE.astype(np.float64))
        for name, transform in ways.items():
            show(name, transform(features_nE.astype(np.float64)), chosen.labels_n)
        standardized_nE = ways["standardized"](features_nE.astype(np.float64))
        rounded_nE = quantize_embeddings(features_nE).dequantize().astype(np.float64)
        show("int8, then standardized", ways["standardized"](rounded_nE), chosen.labels_n)
        codes_nE = quantize_embeddings(standardized_nE).codes
        show("standardized, then int8", codes_nE.astype(np.float64), chosen.labels_n)


if __name__ == "__main__":
    main()
