"""Arrays out of HDF5 files.

n samples
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.io import PointCloudError

# Real coordinates compress a few times; storage that was declared and never written compresses without end.
_MAX_COMPRESSION, _SMALL = 100, 1 << 20


def read_h5(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Reads arrays of numbers by their names, `optional` ones if they exist.

    Raises:
        PointCloudError: the file is missing or damaged, or lacks an array; the message names it.
        ImportError: h5py is missing; install `crossjepa[data]`.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError("HDF5 files need h5py: pip install 'crossjepa[data]'") from error
    if not path.is_file():
        raise PointCloudError(path, "no such file")
    try:
        with h5py.File(path, "r") as file:
            missing = [name for name in required if name not in file]
            if missing:
                raise PointCloudError(path, f"has no array {missing}; it has {sorted(file)}")
            names = [*required, *(name for name in optional if name in file)]
            return {name: _read(file, name, path) for name in names}
    except PointCloudError:
        raise
    except Exception as error:  # the HDF5 library raises many types for damaged files
        raise PointCloudError(path, f"not a complete HDF5 file ({error})") from error


def _read(file: Any, name: str, path: Path) -> NDArray[Any]:
    import h5py

    array = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    # Links, external and virtual storage would read other files.
    if not isinstance(array, h5py.Dataset) or array.external or array.is_virtual:
        raise PointCloudError(path, f"{name!r} is not an array of this file")
    if array.dtype.kind not in "fiu":
        raise PointCloudError(path, f"{name!r}: expected numbers, not {array.dtype}")
    needed = math.prod(array.shape) * array.dtype.itemsize
    if needed > max(_SMALL, _MAX_COMPRESSION * path.stat().st_size):
        raise PointCloudError(path, f"{name!r} claims {needed} bytes, more than the file can hold")
    return np.asarray(array[()])
