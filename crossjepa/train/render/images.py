"""Pictures as arrays: resized, summed up as histograms, laid out on sheets, written as PNG.

V views, N images, H x W pixels
"""

import os

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from crossjepa.files import atomic_write


def resize_images(images_VHW3: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resizes (V, H, W, 3) images to (V, size, size, 3) with antialiasing, unless they have that size."""
    if images_VHW3.shape[1:3] == (size, size):
        return images_VHW3
    images = torch.from_numpy(np.array(images_VHW3)).permute(0, 3, 1, 2).float()
    resized = torch.nn.functional.interpolate(images, size=(size, size), mode="bicubic", antialias=True)
    return np.asarray(resized.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy())


def color_histogram(images_VHW3: NDArray[np.uint8], bins: int = 16) -> NDArray[np.float32]:
    """Returns the (V, 3 * bins) share of pixels in each of `bins` equal bins of red, green, and blue."""
    views, pixels = len(images_VHW3), images_VHW3.shape[1] * images_VHW3.shape[2]
    level = images_VHW3.reshape(views, pixels, 3).astype(np.int64) * bins // 256
    bin_number = level + bins * np.arange(3) + 3 * bins * np.arange(views)[:, None, None]
    counts = np.bincount(bin_number.ravel(), minlength=views * 3 * bins)
    return np.asarray(counts.reshape(views, 3 * bins) / pixels, np.float32)


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
