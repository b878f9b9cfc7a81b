"""Pictures to look at: contact sheets and PNG files.

N images, H x W pixels
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crossjepa.files import atomic_write


def contact_sheet(images_NHW3: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Lays images out in rows.

    Args:
        images_NHW3: (N, H, W, 3) images.
        columns: images in a row.

    Returns:
        (rows * H, columns * W, 3) the sheet; cells without an image are white.
    """
    count, height, width, channels = images_NHW3.shape
    rows = -(-count // columns)
    cells = np.full((rows * columns, height, width, channels), 255, np.uint8)
    cells[:count] = images_NHW3
    grid = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
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
    atomic_write(path, lambda file: Image.fromarray(image_HW3).save(file, format="PNG"))
