"""What every data set for caching yields, so that nothing after it asks where an object comes from.

V views, N points, H x W pixels
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.io import Mesh, PointCloud


@dataclass(frozen=True, eq=False)
class Renderings:
    """Pictures of an object that already exist.

    Attributes:
        images_VHW3: (V, H, W, 3) uint8 RGB.
        poses_V5: (V, 5) float32 azimuth, elevation, roll, distance and field of view; degrees and radii.
    """

    images_VHW3: NDArray[np.uint8]
    poses_V5: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Item:
    """One object.

    Attributes:
        shape: its surface or its points.
        up_axis: the axis that points up in them.
        renderings: pictures of it; without them it is rendered.
    """

    shape: Mesh | PointCloud
    up_axis: Axis = "y"
    renderings: Renderings | None = None


class Collection(ABC):
    """Objects that can be read one by one, in any order and by any process.

    Attributes:
        names: name of each object.
        facts: what decides the content, as plain values; of files that are repaired one by one, their names.
        views: pictures of each object where they exist, else 0.
        points: points of each object where all have the same number, else 0.
    """

    names: Sequence[str]
    facts: Mapping[str, Any]
    views: int = 0
    points: int = 0

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def __getitem__(self, row: int) -> Item:
        """Reads an object.

        Raises:
            PointCloudError: it cannot be used; the message names its file and the reason.
        """

    def fingerprint(self, row: int) -> int:
        """Returns a number below 2^64 that changes with the file of an object, 0 where `facts` are enough.

        It is asked for every object whenever a cache is gone on with, so it must cost little.
        """
        return 0

    def fingerprints(self) -> list[int]:
        """Returns the `fingerprint` of every object."""
        return [self.fingerprint(row) for row in range(len(self))]

    def contents(self, prints: Sequence[int]) -> Mapping[str, Any]:
        """Returns what `facts` say of a finished cache: also what is in the files.

        Args:
            prints: the `fingerprints` of its files.
        """
        return self.facts


class Joined(Collection):
    """Several collections, one after the other."""

    def __init__(self, parts: Sequence[Collection]) -> None:
        self.parts = list(parts)
        self.names = [name for part in self.parts for name in part.names]
        self.facts = {"parts": [dict(part.facts) for part in self.parts]}
        self.starts = np.cumsum([0, *map(len, self.parts)])
        views = {part.views for part in self.parts}
        if len(views) > 1:
            raise ValueError(f"collections with different numbers of pictures an object: {sorted(views)}")
        self.views = views.pop()
        points = {part.points for part in self.parts}
        self.points = 0 if 0 in points else max(points)

    def __getitem__(self, row: int) -> Item:
        part, own = self._place(row)
        return part[own]

    def fingerprint(self, row: int) -> int:
        part, own = self._place(row)
        return part.fingerprint(own)

    def fingerprints(self) -> list[int]:
        return [number for part in self.parts for number in part.fingerprints()]

    def contents(self, prints: Sequence[int]) -> Mapping[str, Any]:
        spans = zip(self.parts, self.starts, self.starts[1:], strict=False)
        return {"parts": [dict(part.contents(prints[first:last])) for part, first, last in spans]}

    def _place(self, row: int) -> tuple[Collection, int]:
        """Returns the collection of an object and its row there."""
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.parts[part], row - int(self.starts[part])
