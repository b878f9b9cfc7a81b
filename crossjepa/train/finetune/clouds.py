"""Labeled clouds, preprocessed once: what the network sees, and the points that are to be labeled.

n clouds, N points, M sampled points
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.batching import batch_starts
from crossjepa.datasets import Dataset
from crossjepa.datasets.splits import divide, draw_per_class
from crossjepa.io import PointCloud
from crossjepa.processor import PointCloudProcessor, Prepared
from crossjepa.train.finetune.store import load_tensors, save_tensors


@dataclass(frozen=True, eq=False)
class LabeledClouds:
    """Clouds as the network sees them.

    Attributes:
        points: (M_i, 3) float32 of each cloud, as `CrossJEPAEncoder.preprocess` gives them.
        labels_n: (n,) int64 classes.
        queries: (N_i, 3) float32 original points in the same frame, () where parts are not asked for.
        parts: (N_i,) int64 parts of them.
    """

    points: tuple[Tensor, ...]
    labels_n: Tensor
    queries: tuple[Tensor, ...] = ()
    parts: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.labels_n)

    def prepared(self) -> list[Prepared]:
        """Returns the clouds as inputs of `predict`, which normalizes them no second time."""
        queries = self.queries or self.points
        pairs = zip(self.points, queries, strict=True)
        return [Prepared(points_M3, queries_N3.numpy()) for points_M3, queries_N3 in pairs]

    def select(self, places_m: NDArray[np.int64]) -> LabeledClouds:
        """Returns some of the clouds."""
        places = places_m.tolist()

        def chosen(values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(values[place] for place in places) if values else ()

        return LabeledClouds(
            chosen(self.points), self.labels_n[places], chosen(self.queries), chosen(self.parts)
        )


@dataclass(frozen=True, eq=False)
class Split:
    """What is learned from, what stops learning, and what is tested on; places in the data set.

    Attributes:
        train_n: places to learn from.
        validation_n: places that stop learning, none where classes are too small.
        test_n: places to test on, none where that was not asked for.
        rule: how they were chosen, in words.
    """

    train_n: NDArray[np.int64]
    validation_n: NDArray[np.int64]
    test_n: NDArray[np.int64]
    rule: str


def split_dataset(dataset: Dataset, validation_share: float, test_share: float, seed: int) -> Split:
    """Divides a data set; what stops learning is taken from the training part, never from the test part.

    A test split of the data set's own is used as it is, and so is a validation split. What is missing is
    drawn by class with the seed.

    Args:
        dataset: the data set.
        validation_share: share of the training part.
        test_share: share of the whole where there is no test split; 0 for no test.
        seed: seed of the draws.

    Raises:
        ValueError: there is nothing to learn from, or it is of one class only.
    """
    splits = np.array(dataset.splits, dtype=str)
    own_test = bool((splits == "test").any()) or any(split.startswith("fold") for split in dataset.splits)
    nothing_n = np.zeros(0, np.int64)
    if own_test:
        division = divide(dataset, seed)
        learn_n, test_n = division.partitions[0].train_n, division.partitions[0].test_m
        rule = f"tested on {division.partitions[0].name}"
    else:
        learn_n = np.arange(len(dataset))
        test_n = draw_per_class(dataset.labels_n, learn_n, test_share, seed) if test_share else nothing_n
        learn_n = np.setdiff1d(learn_n, test_n)
        rule = f"tested on {test_share:.0%} of every class" if len(test_n) else "not tested"
    validation_n = learn_n[splits[learn_n] == "val"]
    how = "the split val"
    if not len(validation_n) and validation_share:
        validation_n = _draw_validation(dataset, learn_n, validation_share, seed)
        how = f"{validation_share:.0%} of the training part of every class"
    train_n = np.setdiff1d(learn_n, validation_n)
    if not len(train_n):
        raise ValueError(f"{dataset.name}: no clouds to learn from")
    stopped = f"stopped by {how}" if len(validation_n) else "never stopped early, for lack of clouds"
    return Split(train_n, validation_n, test_n, f"{rule}, {stopped}, drawn with seed {seed}")


def _draw_validation(
    dataset: Dataset, learn_n: NDArray[np.int64], share: float, seed: int
) -> NDArray[np.int64]:
    """Draws at least one cloud of every class that can spare it."""
    labels_n = dataset.labels_n
    counts = np.bincount(labels_n[learn_n], minlength=len(dataset.classes))
    spare_n = learn_n[counts[labels_n[learn_n]] >= 2]
    # Another seed than that of the test part: the draws of one seed are nested, not independent.
    return draw_per_class(labels_n, spare_n, share, seed + 1, at_least=1)


def read_clouds(
    dataset: Dataset,
    processor: PointCloudProcessor,
    *,
    with_parts: bool,
    progress: bool | None = None,
    cache: Path | None = None,
) -> LabeledClouds:
    """Reads and preprocesses a data set, once.

    Args:
        dataset: the data set.
        processor: preprocessing of the weights.
        with_parts: also keep the original points and their parts.
        progress: show a progress bar.
        cache: file that keeps the result for a run that goes on; it belongs to one run.

    Raises:
        PointCloudError: a file is damaged; the message names it and the reason.
    """
    kept = _load_cached(cache, len(dataset)) if cache else None
    if kept is None:
        kept = _read(dataset, processor, with_parts, progress)
        if cache:
            _save_cached(cache, kept)
    return LabeledClouds(kept["points"], torch.from_numpy(dataset.labels_n), kept["queries"], kept["parts"])


def _read(
    dataset: Dataset, processor: PointCloudProcessor, with_parts: bool, progress: bool | None
) -> dict[str, tuple[Tensor, ...]]:
    found: dict[str, list[Tensor]] = {"points": [], "queries": [], "parts": []}
    for place in batch_starts(len(dataset), 1, progress, "read"):
        sample = dataset[place]
        prepared = processor.prepare(PointCloud(sample.points_N3), up_axis=dataset.up_axis)
        found["points"].append(prepared.points)
        if with_parts:
            assert sample.parts_N is not None
            found["queries"].append(prepared.queries)
            found["parts"].append(torch.from_numpy(sample.parts_N))
    return {name: tuple(values) for name, values in found.items()}


def _save_cached(path: Path, kept: dict[str, tuple[Tensor, ...]]) -> None:
    tensors: dict[str, Tensor] = {}
    for name, values in kept.items():
        tensors[f"{name}_sizes"] = torch.tensor([len(value) for value in values])
        tensors[name] = torch.cat(values) if values else torch.zeros(0)
    save_tensors(path, tensors)


def _load_cached(path: Path, count: int) -> dict[str, tuple[Tensor, ...]] | None:
    tensors = load_tensors(path)
    if tensors is None or len(tensors["points_sizes"]) != count:
        return None
    return {
        name: torch.split(tensors[name], tensors[f"{name}_sizes"].tolist()) if len(tensors[name]) else ()
        for name in ("points", "queries", "parts")
    }
