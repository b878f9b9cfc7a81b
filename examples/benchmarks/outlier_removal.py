"""What outlier removal does to clean clouds, and what it costs.

    python examples/benchmarks/outlier_removal.py modelnet40_clouds_1024.npz

The first table gives the share of points that is removed from clouds without outliers, all of them mistakes,
and how many strays are found among 20 that are added anywhere in the unit sphere. The second gives the time
per cloud of finding outliers, of the rest of the preprocessing, and of the network.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import crossjepa
from crossjepa.datasets import Dataset, load
from crossjepa.io import Mesh, read
from crossjepa.ops.mesh_sampling import sample_surface
from crossjepa.ops.outliers import find_outliers

MESHES = Path(__file__).parent.parent / "files"
Clouds = list[NDArray[np.float64]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", help="ModelNet40, or other clouds in the unit sphere")
    parser.add_argument(
        "--clouds", type=int, default=1000, help="clouds of the training split (default 1000)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="repeated timings (default 5)")
    options = parser.parse_args()
    dataset = load("modelnet40", options.data).subset("train")
    drawn = np.random.default_rng(0).permutation(len(dataset))[: options.clouds]
    print_shares(dataset.select(np.sort(drawn)))
    print_times(options.rounds)


def print_shares(dataset: Dataset) -> None:
    clouds = [sample.points_N3 for sample in dataset]
    print(
        f"{'clouds':28s}{'clouds':>7s}{'points':>7s}{'removed':>9s}{'most':>8s}{'changed':>9s}{'found':>7s}"
    )
    rows: dict[str, Clouds] = {
        f"{count} points": [keep(cloud, count) for cloud in clouds] for count in (1024, 512, 256, 128)
    }
    shares = [find_outliers(cloud).mean() for cloud in clouds]
    by_class: dict[str, list[float]] = {}
    for share, label in zip(shares, dataset.labels_n.tolist(), strict=True):
        by_class.setdefault(dataset.classes[label], []).append(float(share))
    worst = sorted(by_class, key=lambda name: -statistics.mean(by_class[name]))[:4]
    numbers = dataset.labels_n
    for name in worst:
        own = np.flatnonzero(numbers == dataset.classes.index(name))
        rows[f"{name}, 1024 points"] = [clouds[place] for place in own]
    for path in sorted(MESHES.glob("*.obj")):
        mesh = read(path)
        assert isinstance(mesh, Mesh)
        for count in (1024, 10_000):
            sampled = [surface(mesh, count, seed) for seed in range(4)]
            rows[f"{path.name}, {count} points"] = sampled
    for name, each in rows.items():
        removed = np.array([find_outliers(cloud).mean() for cloud in each])
        found = [find_strays(cloud, seed) for seed, cloud in enumerate(each)]
        sizes = statistics.median(map(len, each))
        print(
            f"{name:28s}{len(each):7d}{sizes:7.0f}{removed.mean():9.2%}{removed.max():8.1%}"
            f"{(removed > 0).mean():9.1%}{statistics.mean(found):7.0%}"
        )


def keep(points_N3: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return points_N3[np.random.default_rng(0).permutation(len(points_N3))[:count]]


def surface(mesh: Mesh, count: int, seed: int) -> NDArray[np.float64]:
    points_N3, _ = sample_surface(mesh.vertices_V3, mesh.faces_F3, count, np.random.default_rng(seed))
    points_N3 -= points_N3.mean(axis=0)
    return np.asarray(points_N3 / np.linalg.norm(points_N3, axis=1).max())


def find_strays(points_N3: NDArray[np.float64], seed: int, count: int = 20) -> float:
    rng = np.random.default_rng(seed)
    strays = rng.normal(size=(count, 3))
    strays *= rng.random((count, 1)) ** (1 / 3) / np.linalg.norm(strays, axis=1, keepdims=True)
    return float(find_outliers(np.concatenate([points_N3, strays]))[-count:].mean())


def print_times(rounds: int) -> None:
    encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
    mesh = read(MESHES / "chair.obj")
    assert isinstance(mesh, Mesh)
    print(f"\n{'points':>9s}{'outliers':>12s}{'the rest':>12s}{'network':>12s}   CPU ms per cloud")
    for count in (1024, 10_000, 100_000, 1_000_000):
        points_N3 = surface(mesh, count, seed=0)
        points_N3[: count // 100] *= 1.5
        prepared = encoder.processor.prepare(points_N3)
        many = 1 if count > 100_000 else rounds
        finding = milliseconds(partial(find_outliers, points_N3), many)
        preparing = milliseconds(partial(encoder.processor.prepare, points_N3), many)
        encoding = milliseconds(partial(encoder.encode, [prepared] * 16), many) / 16
        print(f"{count:9d}{finding:12.1f}{preparing:12.1f}{encoding:12.1f}")


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * min(times)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
