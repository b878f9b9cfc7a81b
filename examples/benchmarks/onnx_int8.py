"""What ONNX and int8 weights do to features, and to a linear probe of them.

    python examples/benchmarks/onnx_int8.py modelnet40_clouds_1024.npz

Features are compared with those of torch by the largest difference in a cloud: its median and maximum over
the clouds, and the number of clouds above 1e-4. The probe is a linear SVM on standardized features, by
five-fold cross-validation on clouds of the training split; "mixed" is one that is fitted on features of torch
and applied to those of the row.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import load
from crossjepa.export import export_onnx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", help="ModelNet40's clouds")
    parser.add_argument("--model", default="crossjepa-base", help="weights (default crossjepa-base)")
    parser.add_argument("--clouds", type=int, default=2000, help="of the training split (default 2000)")
    parser.add_argument("--C", type=float, default=0.01, help="of the SVM (default 0.01)")
    options = parser.parse_args()
    dataset = load("modelnet40", options.data).subset("train")
    drawn = np.random.default_rng(0).permutation(len(dataset))[: options.clouds]
    dataset = dataset.select(np.sort(drawn))
    clouds = [sample.points_N3 for sample in dataset]
    reference: NDArray[np.float32] | None = None
    print("backend     MB  clouds/s    median   largest  > 1e-4   probe   mixed")
    with tempfile.TemporaryDirectory() as folder:
        for name, (encoder, size) in encoders(options.model, Path(folder)).items():
            start = time.perf_counter()
            features_nE = encoder.encode(clouds, up_axis=dataset.up_axis, progress=False)
            speed = len(clouds) / (time.perf_counter() - start)
            reference = features_nE if reference is None else reference
            apart_n = np.abs(features_nE - reference).max(axis=1)
            scores = [
                100 * probe(fitted_nE, features_nE, dataset.labels_n, options.C)
                for fitted_nE in (features_nE, reference)
            ]
            row = f"{name:8s}{size / 1e6:6.1f}{speed:10.1f}{np.median(apart_n):10.1e}{apart_n.max():10.1e}"
            print(f"{row}{(apart_n > 1e-4).sum():8d}{scores[0]:7.2f}%{scores[1]:7.2f}%", flush=True)


def encoders(model: str, folder: Path) -> dict[str, tuple[CrossJEPAEncoder, int]]:
    """Returns the model with each backend, and the size of its weights or file in bytes."""
    encoder = CrossJEPAEncoder.from_pretrained(model)
    found = {"torch": (encoder, sum(value.nbytes for value in encoder.state_dict().values()))}
    for name in ("float32", "int8"):
        path = folder / f"{name}.onnx"
        export_onnx(encoder, path, int8=name == "int8")
        found[name] = (CrossJEPAEncoder.from_pretrained(path, backend="onnx"), path.stat().st_size)
    return found


def probe(
    fitted_nE: NDArray[np.float32], features_nE: NDArray[np.float32], labels_n: NDArray[np.int64], C: float
) -> float:
    """Returns the mean accuracy over five folds of a probe of one kind of features on another."""
    scores = []
    for rest, held_out in StratifiedKFold(5, shuffle=True, random_state=0).split(features_nE, labels_n):
        classifier = make_pipeline(StandardScaler(), LinearSVC(C=C))
        classifier.fit(fitted_nE[rest], labels_n[rest])
        scores.append(classifier.score(features_nE[held_out], labels_n[held_out]))
    return float(np.mean(scores))


if __name__ == "__main__":
    main()
