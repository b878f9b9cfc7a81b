"""Numbers as a cache keeps them: bfloat16 rows that read as float32, and checksums.

S objects, V views, D teacher width
"""

import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crossjepa.hashing import file_digest

# torch's own bits of NaN depend on the processor.
NAN_BITS = 0x7FC0
# Dense targets are integers of this many steps per standard deviation.
STEPS_PER_DEVIATION = 32


def to_bfloat16(values: NDArray[Any]) -> NDArray[np.uint16]:
    """Rounds to bfloat16, ties to even, and returns the bits; NaN stays NaN."""
    floats = np.array(values, np.float32, order="C")
    bits: NDArray[np.uint16] = torch.from_numpy(floats).to(torch.bfloat16).view(torch.uint16).numpy()
    bits[np.isnan(floats)] = NAN_BITS
    return bits


def from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Returns float32 values of bfloat16 bits."""
    writable = np.array(bits, np.uint16, order="C")  # torch warns of arrays that are not
    return np.asarray(torch.from_numpy(writable).view(torch.bfloat16).float().numpy())


class FloatRows:
    """An array on disk, of bfloat16 (stored as uint16) or of floats, whose parts are read as float32.

    Indexing reads and writes float32 and `np.asarray` reads everything, so callers need not know how the
    numbers are stored.

    Args:
        stored: the array; integers are taken as the bits of bfloat16.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, stored: NDArray[Any]) -> None:
        self.stored = stored
        self.is_bfloat16 = stored.dtype == np.uint16

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
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
    """Returns the CRC-32 of the arrays of one object, never 0, which stands for no checksum."""
    checksum = 0
    for row in rows:
        checksum = zlib.crc32(np.ascontiguousarray(row).tobytes(), checksum)
    return checksum or 1


def file_sha256(path: Path) -> str:
    """Flushes a file to the disk and returns its SHA-256."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return file_digest(path)
