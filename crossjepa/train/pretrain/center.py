"""Mean and deviation of features of the objects of pretraining, which weights bring for `similarity`.

n objects, E embedding width
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa import model_files
from crossjepa.config_similarity import SimilarityConfig
from crossjepa.datasets import Dataset
from crossjepa.defaults import CENTER_OBJECTS
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.processor import Input, PointCloudProcessor
from crossjepa.train.cache import Cache

# Nobody needs more digits of a mean of some thousand objects, and config.json stays short.
_DIGITS = 5


def encode_objects(
    encoder: CrossJEPAEncoder,
    objects: Cache | Dataset,
    count: int = CENTER_OBJECTS,
    *,
    progress: bool | None = None,
) -> NDArray[np.float32]:
    """Encodes objects, taken evenly from all of them.

    Args:
        encoder: the encoder.
        objects: a cache that it was pretrained from, or a data set.
        count: objects to encode at most.
        progress: show a progress bar; by default for more than four batches.

    Returns:
        (n, E) float32 features, pooled by "max+mean".

    Raises:
        PointCloudError: an object cannot be used.
    """
    total = len(objects)
    row_n = np.linspace(0, total - 1, min(count, total)).astype(np.int64)
    return encoder.encode(_Clouds(objects, row_n, encoder.processor), pool="max+mean", progress=progress)


def statistics(features_nE: NDArray[np.float32]) -> SimilarityConfig:
    """Returns mean and deviation of features as config.json holds them; a constant number has deviation 1.

    Raises:
        ValueError: there are fewer than two features.
    """
    if len(features_nE) < 2:
        raise ValueError(f"a deviation needs at least two objects, not {len(features_nE)}")
    mean_E, std_E = features_nE.mean(axis=0, dtype=np.float64), features_nE.std(axis=0, dtype=np.float64)
    mean, std = (
        tuple(float(f"{value:.{_DIGITS}g}") for value in values_E)
        for values_E in (mean_E, np.where(std_E > 0, std_E, 1))
    )
    return SimilarityConfig(mean, std, len(features_nE))


def save_center(folder: str | os.PathLike[str], similarity: SimilarityConfig) -> None:
    """Writes them to the config.json of weights, which stay as they are."""
    config = model_files.read_config(Path(folder))
    model_files.save_config(folder, replace(config, similarity=similarity))


class _Clouds:
    """Some objects, read one at a time."""

    def __init__(
        self, objects: Cache | Dataset, row_n: NDArray[np.int64], processor: PointCloudProcessor
    ) -> None:
        self.objects, self.row_n, self.processor = objects, row_n, processor

    def __len__(self) -> int:
        return len(self.row_n)

    def __iter__(self) -> Iterator[Input]:
        for row in self.row_n:
            if isinstance(self.objects, Cache):
                # Drawn uniformly by area in random order: the first ones are a sample as encode draws them.
                yield self.objects.points_of(np.array([row]))[0, : self.processor.config.num_points]
            else:
                sample = self.objects[int(row)]
                yield self.processor.prepare(sample.shape, up_axis=sample.up_axis, name=sample.name)
