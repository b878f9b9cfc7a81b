"""Linear SVM on frozen features: trained weights, an untrained encoder, the teacher's own view of the clouds.

    python examples/benchmarks/linear_probe.py CLOUDS.npz --up-axis z [--model NAME] [--teacher FILE]

CLOUDS.npz holds `points` (n, N, 3), `labels` (n,) and `split` (n,) with "train" and "test". C is chosen by
cross-validation on the training part; the test part is used once for every row of the table.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crossjepa import CrossJEPAEncoder
from crossjepa.evaluate import fit_linear_svm, untrained_encoder
from crossjepa.files import write_json
from crossjepa.processor import rotate_up_axis

Clouds = NDArray[np.float64]
Features = NDArray[np.float32]


def render_one(cloud: Clouds) -> NDArray[np.uint8]:
    """One shaded view of a cloud, from 30 degrees above and 30 degrees to the side."""
    from crossjepa.train.render import render_cloud, rig

    image: NDArray[np.uint8] = render_cloud(cloud, rig("mvcnn12")[1:2])[0]
    return image


def teacher_features(clouds: Clouds, teacher_file: str) -> Features:
    """The teacher's embedding of one shaded view of every cloud, rendered by one process per core."""
    from crossjepa.train.cache.teacher import Teacher

    teacher = Teacher(teacher_file)
    features = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        images = pool.map(render_one, clouds, chunksize=16)
        for start in range(0, len(clouds), 32):
            batch = [next(images) for _ in clouds[start : start + 32]]
            features.append(teacher.embed(np.stack(batch)).numpy())
    return np.concatenate(features)


def main() -> None:
    """Prints one row for each set of features."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clouds", help="npz with points, labels, split")
    parser.add_argument("--model", default="crossjepa-base", help="registered name, org/repo, or folder")
    parser.add_argument("--teacher", help="timm name or safetensors file; adds the teacher's row")
    parser.add_argument("--up-axis", default="y", choices=("x", "y", "z"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the results here")
    options = parser.parse_args()

    with np.load(options.clouds) as archive:
        points, labels, split = archive["points"].astype(np.float64), archive["labels"], archive["split"]
    clouds = np.stack([rotate_up_axis(cloud, options.up_axis, "y") for cloud in points])
    train, test = split == "train", split == "test"
    shuffled = np.random.default_rng(options.seed).permutation(np.flatnonzero(train))

    rows: dict[str, Callable[[], Features]] = {
        options.model: lambda: CrossJEPAEncoder.from_pretrained(options.model).encode(clouds),
        "untrained encoder": lambda: untrained_encoder(clouds[shuffled], options.seed).encode(clouds),
    }
    if options.teacher:
        rows["teacher, one view"] = lambda: teacher_features(clouds, options.teacher)
    results: dict[str, dict[str, Any]] = {}
    print(f"{'features':<24} {'width':>5} {'accuracy':>8} {'scaling':>12} {'C':>7} {'CV':>7} {'seconds':>7}")
    for name, extract in rows.items():
        start = time.perf_counter()
        features = extract()
        machine = fit_linear_svm(features[train], labels[train], seed=options.seed, jobs=-1)
        result = {
            "accuracy": machine.score(features[test], labels[test]),
            "scaling": machine.scaling,
            "cost": machine.cost,
            "cross_validation": machine.cross_validation,
            "train_clouds": int(train.sum()),
            "test_clouds": int(test.sum()),
            "feature_width": features.shape[1],
            "seed": options.seed,
        }
        results[name] = result
        best = max(machine.cross_validation.values())
        print(
            f"{name:<24} {features.shape[1]:>5} {result['accuracy']:>8.2%} {machine.scaling:>12} "
            f"{machine.cost:>7g} {best:>7.2%} {time.perf_counter() - start:>7.0f}",
            flush=True,
        )
        if options.json:
            write_json(options.json, results)
    print("linear SVM (one against one); scaling and C by 5-fold CV on train")


if __name__ == "__main__":
    main()
