"""Several caches read as one, such as your own collection beside another, or clouds beside meshes.

B objects asked for, V views, P stored points, D teacher width, K points with dense targets, C their channels
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.train.cache import Cache, Cameras, Views, open_cache

# Reads rows from one cache; the mask tells which of the requested objects they are.
Read = Callable[[Cache, NDArray[np.int64], NDArray[np.bool_]], Sequence[NDArray[Any]]]


class JoinedCaches:
    """The objects of several caches, one cache after another.

    Args:
        caches: caches of one teacher with equal numbers of views; if points are fewer they repeat.

    Attributes:
        dense_points: points with dense targets, as many as all have; 0 unless all have them on one basis.
        dense_channels: channels of the dense targets; 0 without any.

    Raises:
        ValueError: teachers, widths or numbers of views differ, or a cache is given twice.
    """

    def __init__(self, caches: Sequence[Cache]) -> None:
        facts = ("views", [cache.views for cache in caches]), ("width", [cache.width for cache in caches])
        for name, found in (*facts, *_teachers(caches)):
            if any(value != found[0] for value in found):
                raise ValueError(f"these caches cannot be joined, their {name} differ: {found}")
        if len({cache.hash for cache in caches}) < len(caches):
            raise ValueError(f"the same cache twice: {[cache.hash for cache in caches]}")
        self.caches = caches
        self.views, self.width = caches[0].views, caches[0].width
        self.teachers = caches[0].teachers
        self.first_rows = np.cumsum([0, *(len(cache) for cache in caches)])
        self.hash = "+".join(cache.hash for cache in caches)
        bases = [cache.basis_XM for cache in caches if cache.basis_XM is not None]
        same = len(bases) == len(caches) and all(np.array_equal(basis, bases[0]) for basis in bases)
        self.dense_points = min(cache.dense_points for cache in caches) if same else 0
        self.dense_channels = caches[0].dense_channels if same else 0

    def __len__(self) -> int:
        return int(self.first_rows[-1])

    def points_of(self, row_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the (B, P, 3) float32 points of some objects."""
        most = np.arange(max(cache.points_SP3.shape[1] for cache in self.caches))
        (points_BP3,) = self._gather(
            row_B, lambda cache, own_B, _: [cache.points_of(own_B)[:, most % cache.points_SP3.shape[1]]]
        )
        return points_BP3

    def embeddings_of(
        self, row_B: NDArray[np.int64], view_BV: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Returns the (B, V, D) float32 embeddings of the chosen views of some objects, by default all."""
        (embeddings_BVD,) = self._gather(
            row_B,
            lambda cache, own_B, at_B: [
                cache.embeddings_of(own_B, None if view_BV is None else view_BV[at_B])
            ],
        )
        return embeddings_BVD

    def seen_of(self, row_B: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Returns (B, K) bool: whether any view sees the points with dense targets of some objects."""
        points = self.dense_points
        (seen_BK,) = self._gather(row_B, lambda cache, own_B, _: [cache.seen_of(own_B)[:, :points]])
        return seen_BK

    def dense_of(self, row_B: NDArray[np.int64], point_BQ: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns (B, Q, C) float32 dense targets of chosen points, in standard deviations of a channel."""
        (dense_BQC,) = self._gather(row_B, lambda cache, own_B, at_B: [cache.dense_of(own_B, point_BQ[at_B])])
        return dense_BQC

    def cameras_of(self, row_B: NDArray[np.int64], view_BV: NDArray[np.int64] | None = None) -> Cameras:
        """Returns poses and histograms of the chosen views of some objects, by default all."""

        def read(cache: Cache, own_B: NDArray[np.int64], at_B: NDArray[np.bool_]) -> Cameras:
            return cache.cameras_of(own_B, None if view_BV is None else view_BV[at_B])

        return Cameras(*self._gather(row_B, read))

    def views_of(self, row_B: NDArray[np.int64], view_BV: NDArray[np.int64] | None = None) -> Views:
        """Returns the chosen views of some objects, by default all."""
        return Views(*self.cameras_of(row_B, view_BV), self.embeddings_of(row_B, view_BV))

    def _gather(self, row_B: NDArray[np.int64], read: Read) -> list[NDArray[Any]]:
        """Reads from every cache its share of the rows and restores the requested order."""
        places, shares = [], []
        for cache, first, end in zip(self.caches, self.first_rows[:-1], self.first_rows[1:], strict=True):
            at_B = (row_B >= first) & (row_B < end)
            places.append(np.flatnonzero(at_B))
            shares.append(read(cache, row_B[at_B] - first, at_B))
        order_B = np.argsort(np.concatenate(places))
        return [np.concatenate(parts)[order_B] for parts in zip(*shares, strict=True)]


def open_caches(folders: str | os.PathLike[str]) -> Cache | JoinedCaches:
    """Opens a cache, or several whose folders are separated by commas.

    Raises:
        FileNotFoundError: one of them does not exist or is not finished.
        ValueError: one is damaged, or they do not fit together.
    """
    text = os.fspath(folders)
    if Path(text).is_dir() or "," not in text:
        return open_cache(text)
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError(f"{text!r}: there is a comma with no cache beside it")
    return JoinedCaches([open_cache(name) for name in names])


def _teachers(caches: Sequence[Cache]) -> list[tuple[str, list[Any]]]:
    """Returns the facts about the teachers that must agree; caches of format 1 know only the name."""
    recipes = [cache.manifest["recipe"].get("teacher") for cache in caches]
    every = [facts if isinstance(facts, list) else [facts] for facts in recipes]
    known = all(isinstance(teacher, Mapping) for facts in every for teacher in facts)
    if not known or len({len(facts) for facts in every}) > 1:
        return [("teachers", ["+".join(teacher.name for teacher in cache.teachers) for cache in caches])]
    keys = sorted({key for facts in every for teacher in facts for key in teacher} - {"name"})
    values = {key: [[teacher.get(key) for teacher in facts] for facts in every] for key in keys}
    several = len(every[0]) > 1
    return [
        (f"teachers' {key}", found if several else [one for (one,) in found]) for key, found in values.items()
    ]
