"""Archives of clouds: one npz with the points of all objects.

S objects, N points
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.datasets.collection import Collection, Item
from crossjepa.hashing import file_digest, text_digest
from crossjepa.io import PointCloud, PointCloudError, validate_points


class CloudArchive(Collection):
    """Clouds of the same number of points.

    Args:
        path: npz with `points` (S, N, 3) and, where there are any, `split` (S,) and `names` (S,).
        split: the split to take, or "all". It must be given where there are several, so that a test set is
            never trained on by mistake.
        up_axis: the axis that points up in them.

    Raises:
        PointCloudError: the archive cannot be read.
        ValueError: the split is not given, or there is no such split.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, split: str | None = None, up_axis: Axis = "y"
    ) -> None:
        self.path, self.up_axis = Path(path), up_axis
        try:
            with np.load(self.path) as archive:
                points_SN3 = archive["points"]
                split_S = archive["split"].astype(str) if "split" in archive.files else None
                names_S = archive["names"].astype(str) if "names" in archive.files else None
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise PointCloudError(path, f"not a readable archive of clouds ({error})") from error
        if points_SN3.ndim != 3 or points_SN3.shape[2] < 3 or not points_SN3.size:
            raise PointCloudError(path, f"its points have the shape {points_SN3.shape} instead of (S, N, 3)")
        for extra_S in (split_S, names_S):
            if extra_S is not None and len(extra_S) != len(points_SN3):
                raise PointCloudError(path, f"{len(extra_S)} names or splits for {len(points_SN3)} clouds")
        self.rows = _rows(self.path, split_S, split, len(points_SN3))
        self.points_SN3 = points_SN3
        self.points = points_SN3.shape[1]
        self.names = [str(row) if names_S is None else str(names_S[row]) for row in self.rows]
        self.facts = {
            "kind": "clouds",
            "file": self.path.name,
            "sha256": file_digest(self.path),
            "split": split or "all",
            "up_axis": up_axis,
            "names": text_digest(self.names),
        }

    def __getitem__(self, row: int) -> Item:
        points = self.points_SN3[self.rows[row]]
        return Item(PointCloud(validate_points(points, f"{self.path}: {self.names[row]}")), self.up_axis)


def _rows(path: Path, split_S: NDArray[np.str_] | None, split: str | None, count: int) -> NDArray[np.int64]:
    if split_S is None:
        if split not in (None, "all"):
            raise ValueError(f"{path} has no splits, so it has no split {split!r}")
        return np.arange(count)
    known = sorted(set(split_S.tolist()))
    if split is None and len(known) > 1:
        raise ValueError(f"{path} has the splits {', '.join(known)}: say which one, or all")
    if split not in (None, "all", *known):
        raise ValueError(f"{path} has no split {split!r}, only {', '.join(known)}")
    return np.arange(count) if split in (None, "all") else np.flatnonzero(split_S == split)
