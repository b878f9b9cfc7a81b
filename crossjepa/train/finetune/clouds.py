"""Labeled clouds as the network sees them, and tensors that a run keeps on the disk until it has ended.

n clouds, N points, M sampled points
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from crossjepa.files import atomic_write
from crossjepa.processor import Prepared


@dataclass(frozen=True, eq=False)
class LabeledClouds:
    """Clouds as the network sees them.

    Attributes:
        points: (M_i, 3) float32 of each cloud, as `CrossJEPAEncoder.preprocess` returns them.
        labels_n: (n,) int64 classes.
        queries: (N_i, 3) float32 original points in the same frame; () if parts are not needed.
        parts: (N_i,) int64 parts of these points.
    """

    points: tuple[Tensor, ...]
    labels_n: Tensor
    queries: tuple[Tensor, ...] = ()
    parts: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.labels_n)

    def prepared(self) -> list[Prepared]:
        """Returns the clouds as inputs of `predict`, which does not normalize them a second time."""
        pairs = zip(self.points, self.queries or self.points, strict=True)
        return [Prepared(points_M3, queries_N3.numpy()) for points_M3, queries_N3 in pairs]

    def select(self, places_m: NDArray[np.int64]) -> LabeledClouds:
        """Returns some of the clouds."""
        places = places_m.tolist()
        points, queries, parts = (
            tuple(values[place] for place in places) if values else ()
            for values in (self.points, self.queries, self.parts)
        )
        return LabeledClouds(points, self.labels_n[places], queries, parts)


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors that a run keeps until it has ended, completely or not at all; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = save({name: value.contiguous() for name, value in tensors.items()})
    atomic_write(path, lambda file: file.write(content))


def load_tensors(path: Path) -> dict[str, Tensor] | None:
    """Reads what `save_tensors` wrote; None if there is no such file, or it is damaged."""
    try:
        return load(path.read_bytes())
    except (OSError, SafetensorError):
        return None
