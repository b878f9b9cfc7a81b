"""Parts of shapes from 1, 2 and 5 labeled shapes of their kind, by the nearest features of points.

    python examples/benchmarks/part_transfer.py PARTS.npz [--model crossjepa-base] [--targets 5] [--seeds 2]

PARTS.npz holds `points` (n, N, 3), `part_labels` (n, N), `labels` (n,) and `classes`, such as the Labeled
Princeton Shape Benchmark. For every class, some shapes are labeled and others of it get their parts. "nearest
place" takes the part of the labeled point nearest in space, after normalization.
"""

from __future__ import annotations

import argparse
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets.part_metrics import shape_iou
from crossjepa.part_transfer import PartTransfer

COUNTS = (1, 2, 5)
Points: TypeAlias = NDArray[np.float32]
Parts: TypeAlias = NDArray[np.int64]


def nearest_place(known: list[Points], parts: list[Parts], target_N3: Points) -> Parts:
    """Returns the part of the labeled point nearest to each point."""
    known_M3, parts_M = np.concatenate(known), np.concatenate(parts)
    distance_NM = ((target_N3[:, None] - known_M3) ** 2).sum(axis=2)
    return np.asarray(parts_M[distance_NM.argmin(axis=1)])


def main() -> None:
    """Prints a row for each number of labeled shapes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", metavar="PARTS.npz")
    parser.add_argument("--model", default="crossjepa-base")
    parser.add_argument("--targets", type=int, default=5, help="shapes of each class that get parts")
    parser.add_argument("--seeds", type=int, default=2, help="choices of labeled shapes")
    parser.add_argument("--points", type=int, default=1024)
    options = parser.parse_args()
    with np.load(options.parts) as archive:
        points_nN3 = archive["points"][:, : options.points].astype(np.float32)
        parts_nN = archive["part_labels"][:, : options.points].astype(np.int64)
        labels_n = archive["labels"].astype(np.int64)
    encoder = CrossJEPAEncoder.from_pretrained(options.model)
    scores: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for label in np.unique(labels_n):
        rows_c = np.flatnonzero(labels_n == label)
        own = np.unique(parts_nN[rows_c]).tolist()
        for seed in range(options.seeds):
            order_c = np.random.default_rng([seed, int(label)]).permutation(rows_c)
            targets = order_c[max(COUNTS) :][: options.targets]
            for count in COUNTS:
                known = [points_nN3[row] for row in order_c[:count]]
                parts = [parts_nN[row] for row in order_c[:count]]
                transfer = PartTransfer(encoder, known, parts)
                for row in targets:
                    answers = {
                        "nearest features": transfer.predict(points_nN3[row]),
                        "nearest place": nearest_place(known, parts, points_nN3[row]),
                    }
                    for name, found_N in answers.items():
                        accuracy = float((found_N == parts_nN[row]).mean())
                        iou = shape_iou(found_N, parts_nN[row], own)
                        scores.setdefault((name, count), []).append((accuracy, iou))
    print(f"{'':<18} {'labeled':>8} {'accuracy':>9} {'mIoU':>7}")
    for (name, count), values in sorted(scores.items()):
        accuracy, iou = np.mean(values, axis=0)
        print(f"{name:<18} {count:>8} {accuracy:>9.1%} {iou:>7.1%}")


if __name__ == "__main__":
    main()
