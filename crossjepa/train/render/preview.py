"""A look at pictures: contact sheets, and PNG files without an image library.

N images, H x W pixels
"""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from crossjepa.files import atomic_write

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BITS, RGB = 8, 2


def contact_sheet(images_NHW3: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Lays images out in rows.

    Args:
        images_NHW3: (N, H, W, 3) images.
        columns: images in a row.

    Returns:
        (rows * H, columns * W, 3) the sheet; places without an image are white.
    """
    count, height, width, channels = images_NHW3.shape
    rows = -(-count // columns)
    places = np.full((rows * columns, height, width, channels), 255, np.uint8)
    places[:count] = images_NHW3
    grid = places.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, channels)


def save_png(path: str | os.PathLike[str], image_HW3: NDArray[np.uint8]) -> None:
    """Writes an RGB image as PNG, atomically.

    Args:
        path: the file.
        image_HW3: (H, W, 3) uint8.

    Raises:
        ValueError: the image has another shape or type.
    """
    if image_HW3.ndim != 3 or image_HW3.shape[2] != 3 or image_HW3.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8, got {image_HW3.shape} {image_HW3.dtype}")
    height, width, _ = image_HW3.shape
    # Every row begins with the number of its filter; 0 is none.
    rows = np.zeros((height, 1 + 3 * width), np.uint8)
    rows[:, 1:] = image_HW3.reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, BITS, RGB, 0, 0, 0)
    content = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows.tobytes())) + _chunk(b"IEND", b"")
    atomic_write(path, lambda file: file.write(SIGNATURE + content))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
