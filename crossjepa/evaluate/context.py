"""The context of an evaluation: a data set, its division, and the features of its splits.

n clouds, E embedding width
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Pooling
from crossjepa.datasets import Dataset
from crossjepa.datasets.splits import Division, Partition, divide, shared_classes
from crossjepa.evaluate.features import (
    Extractor,
    FeatureCache,
    Features,
    Points,
    Transform,
    cached_features,
    extract_features,
    feature_facts,
)


@dataclass(eq=False)
class EvaluationContext:
    """What a protocol works with.

    Features are extracted split by split, so that a protocol that does not need the test split never reads
    it.

    Attributes:
        dataset: the data set.
        extractor: source of the features.
        seed: seed of all random numbers.
        holdout: test on a part of the training split.
        cache: cache of features.
        batch_size: clouds per batch.
        jobs: number of parallel fits.
        progress: show progress bars.
        feature_seconds: time spent on features so far.
    """

    dataset: Dataset
    extractor: Extractor
    seed: int = 0
    holdout: bool = False
    cache: FeatureCache | None = None
    batch_size: int = 32
    jobs: int = 1
    progress: bool | None = None
    feature_seconds: float = 0.0
    _kept: dict[tuple[str, str, str], Features] = field(default_factory=dict, init=False)

    @cached_property
    def division(self) -> Division:
        """How the data set is divided."""
        return divide(self.dataset, self.seed, self.holdout)

    def learnable(self) -> list[Partition]:
        """Returns the partitions, each with only the classes that occur on both sides."""
        return [shared_classes(self.dataset, partition) for partition in self.division.partitions]

    def labels(self, places_n: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the (n,) classes of some places."""
        return self.dataset.labels_n[places_n]

    def features(
        self, places_n: NDArray[np.int64], *, pool: Pooling | None = None, transform: Transform | None = None
    ) -> Features:
        """Returns the (n, E) features of some places.

        Args:
            places_n: (n,) places in the data set.
            pool: pooling of tokens instead of the extractor's.
            transform: a change of the clouds before their preprocessing.
        """
        splits = np.array(self.dataset.splits, dtype=str)
        rows: NDArray[np.float32] | None = None
        for split in np.unique(splits[places_n]).tolist():
            of_split = np.flatnonzero(splits == split)
            features = self._split_features(split, pool, transform)
            wanted = splits[places_n] == split
            if rows is None:
                rows = np.zeros((len(places_n), features.shape[1]), np.float32)
            rows[wanted] = features[np.searchsorted(of_split, places_n[wanted])]
        return np.zeros((0, 0), np.float32) if rows is None else rows

    def changed_features(
        self,
        clouds: Callable[[], Sequence[Points]],
        change: str,
        places_n: NDArray[np.int64],
        rows_m: NDArray[np.int64],
    ) -> Features:
        """Returns the (m, E) features of clouds with y up that are made of those of the data set.

        Args:
            clouds: returns the m clouds; called only if their features are not in the cache.
            change: everything that distinguishes them from those of the data set, including numbers and seed.
            places_n: (n,) places of the clouds that they are made of.
            rows_m: (m,) which of them are meant.
        """
        start = time.perf_counter()
        facts = feature_facts(self.extractor, self.dataset.select(places_n), change)
        facts |= {"up_axis": "y", "rows": hashlib.sha256(rows_m.astype("<i8").tobytes()).hexdigest()}
        features = cached_features(
            self.extractor, clouds, len(rows_m), "y", facts, cache=self.cache, batch_size=self.batch_size,
            progress=self.progress,
        )  # fmt: skip
        self.feature_seconds += time.perf_counter() - start
        return features

    def facts(self) -> dict[str, Any]:
        """Returns what a result says about the data."""
        return {
            "name": self.dataset.name,
            "layout": self.dataset.layout,
            "checksum": self.dataset.checksum(),
            "samples": len(self.dataset),
            "classes": len(self.dataset.classes),
            "up_axis": self.dataset.up_axis,
            "division": self.division.rule,
            "splits": dict(sorted(Counter(self.dataset.splits).items())),
        }

    def _split_features(self, split: str, pool: Pooling | None, transform: Transform | None) -> Features:
        key = (split, pool or "", transform.name if transform else "")
        if key not in self._kept:
            extractor = self.extractor if pool is None else self.extractor.pooled(pool)
            start = time.perf_counter()
            self._kept[key] = extract_features(
                extractor, self.dataset.subset(split), transform=transform, cache=self.cache,
                batch_size=self.batch_size, progress=self.progress,
            )  # fmt: skip
            self.feature_seconds += time.perf_counter() - start
        return self._kept[key]

    def fold(self, dataset: Dataset) -> EvaluationContext:
        """Returns the context of another data set with the same settings."""
        return replace(self, dataset=dataset, feature_seconds=0.0)
