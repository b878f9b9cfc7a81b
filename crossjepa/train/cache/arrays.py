"""Numbers as a cache keeps them: bfloat16 rows that read as float32, and sums against damage.

S objects, V views, D teacher width
"""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_bfloat16(values: NDArray[Any]) -> NDArray[np.uint16]:
    """Rounds to bfloat16, ties to even, and returns the bits; NaN stays NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    rounded = ((bits + half) >> np.uint32(16)).astype(np.uint16)
    return np.where(np.isnan(np.asarray(values, np.float32)), np.uint16(0x7FC0), rounded)


def from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Returns float32 values of bfloat16 bits."""
    return (np.asarray(bits).astype(np.uint32) << np.uint32(16)).view(np.float32)


class FloatRows:
    """An array on disk, of bfloat16 (kept as uint16) or of floats, whose parts are read as float32.

    Indexing reads and writes float32, `np.asarray` reads everything; so whoever uses it need not know how it
    is kept.

    Args:
        stored: the array; whole numbers are taken as bits of bfloat16.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, stored: NDArray[Any]) -> None:
        self.stored = stored
        self.is_bfloat16 = stored.dtype == np.uint16

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.stored.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.stored.ndim

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        part = self.stored[index]
        return from_bfloat16(part) if self.is_bfloat16 else np.asarray(part, np.float32)

    def __setitem__(self, index: Any, values: Any) -> None:
        values = np.asarray(values)
        self.stored[index] = to_bfloat16(values) if self.is_bfloat16 else values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        values = self[...]
        return values if dtype is None else values.astype(dtype, copy=False)


def row_checksum(*rows: NDArray[Any]) -> int:
    """Returns the CRC-32 of one object's arrays, never 0, which stands for none."""
    checksum = 0
    for row in rows:
        checksum = zlib.crc32(np.ascontiguousarray(row).tobytes(), checksum)
    return checksum or 1


def file_sha256(path: Path) -> str:
    """Writes a file through to the disk and returns its SHA-256."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()
