"""Small data for the protocols: six kinds of solids that differ in shape, and real clouds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.config import Axis, Pooling
from crossjepa.datasets import Dataset, load
from crossjepa.datasets.splits import draw_count
from crossjepa.evaluate.features import Features, Points

SOLIDS = 6


def solids(per_class: int, seed: int, points: int = 64) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Random points in boxes of six proportions, deformed so that the kinds overlap."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(SOLIDS), per_class)
    sides = np.array([[1, 1, 1], [3, 1, 1], [1, 3, 1], [1, 1, 3], [3, 3, 1], [1, 3, 3]])[labels]
    sides = sides * np.exp(generator.normal(scale=0.35, size=sides.shape))
    clouds = generator.uniform(-1, 1, size=(len(labels), points, 3)) * sides[:, None]
    return clouds.astype(np.float32), labels


def save(path: Path, per_class: int = 30, **more: Any) -> Path:
    """An npz of solids with 30 training and 25 test clouds a class."""
    train, train_labels = solids(per_class, 0)
    test, test_labels = solids(25, 1)
    labels = np.concatenate([train_labels, test_labels])
    split = np.array(["train"] * len(train) + ["test"] * len(test))
    np.savez(path, points=np.concatenate([train, test]), labels=labels, split=split, **more)
    return path


@pytest.fixture
def boxes(tmp_path: Path) -> Dataset:
    """Solids with a training and a test split."""
    return load("clouds", save(tmp_path / "boxes.npz"))


@dataclass
class Spreads:
    """Features that need no network: spread and extent along each axis. Counts what it is asked."""

    name: str = "spreads"
    pooling: str = ""
    seen: list[int] = field(default_factory=list)
    pools: list[Pooling | None] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        return {"kind": "spreads"}

    def extract(
        self, clouds: Iterable[Points], up_axis: Axis, *, batch_size: int = 32, progress: bool | None = None
    ) -> Features:
        read = list(clouds)
        self.seen += [len(cloud) for cloud in read]
        rows = [np.concatenate([cloud.std(axis=0), np.abs(cloud).max(axis=0)]) for cloud in read]
        return np.stack([row / row[:3].sum() for row in rows]).astype(np.float32)

    def select(self, features_nA: Features) -> Features:
        return features_nA

    def pooled(self, pool: Pooling) -> Spreads:
        self.pools.append(pool)
        return self


@pytest.fixture
def spreads() -> Spreads:
    """The features above."""
    return Spreads()


@pytest.fixture(scope="session")
def modelnet_train(shared: Path) -> Dataset:
    """Twelve real training clouds of each of six classes; nothing of the test split."""
    dataset = load("modelnet40", shared / "data" / "modelnet40_clouds_1024.npz").subset("train")
    names = ("airplane", "bottle", "chair", "guitar", "sofa", "table")
    wanted = np.isin(dataset.labels_n, [dataset.classes.index(name) for name in names])
    return dataset.select(draw_count(dataset.labels_n, np.flatnonzero(wanted), 12, seed=0))
