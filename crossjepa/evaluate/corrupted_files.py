"""The official files of ModelNet-C and ModelNet40-C.

n clouds, N points
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.datasets.h5 import read_h5
from crossjepa.datasets.sample import whole_numbers
from crossjepa.io import PointCloudError

LABELS = "label.npy"


class CorruptedFiles:
    """A folder of `NAME.h5`, each with `data` and `label`, or of `NAME.npy` beside one `label.npy`.

    Args:
        folder: the folder.
        classes: names of the classes of the data set that the classifier is fitted on; in the files, classes
            are numbered in alphabetical order.

    Raises:
        ValueError: these are not 40 classes.
    """

    def __init__(self, folder: str | os.PathLike[str], classes: Sequence[str]) -> None:
        if len(classes) != 40:
            raise ValueError(f"the official files have the 40 classes of ModelNet40, not {len(classes)}")
        self.folder = Path(folder)
        self._numbers = np.array([classes.index(name) for name in sorted(classes)], np.int64)

    def read(self, path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Reads the (n, N, 3) clouds of a file, y up, and their (n,) classes, numbered as in the data set.

        Raises:
            PointCloudError: the file is missing or damaged; the message names it and the reason.
        """
        if path.suffix == ".h5":
            arrays = read_h5(path, ("data", "label"))
            clouds, labels = arrays["data"], arrays["label"]
        else:
            clouds, labels = _read_npy(path), _read_npy(path.with_name(LABELS))
        if clouds.ndim != 3 or clouds.shape[2] != 3 or not clouds.size:
            raise PointCloudError(path, f"expected clouds of shape (n, N, 3), not {clouds.shape}")
        if len(labels) != len(clouds):
            raise PointCloudError(path, f"{len(labels)} labels for {len(clouds)} clouds")
        if not np.isfinite(clouds).all():
            raise PointCloudError(path, "has coordinates that are not finite")
        labels_n = whole_numbers(labels, len(self._numbers), str(path), "label")
        return np.asarray(clouds, np.float64), self._numbers[labels_n]


def _read_npy(path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise PointCloudError(path, "no such file")
    try:
        values: NDArray[Any] = np.load(path, allow_pickle=False)
    except Exception as error:  # the header is Python source, which can fail in many ways
        raise PointCloudError(path, f"not a readable npy array ({error})") from error
    if values.dtype.kind not in "fiu":
        raise PointCloudError(path, f"expected numbers, not {values.dtype}")
    return values
