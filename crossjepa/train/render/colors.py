"""What colors a picture has.

V views, H x W pixels
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def color_histogram(images_VHW3: NDArray[np.uint8], bins: int = 16) -> NDArray[np.float32]:
    """Returns the (V, 3 * bins) share of pixels in each of `bins` equal bins of red, green, and blue."""
    views, pixels = len(images_VHW3), images_VHW3.shape[1] * images_VHW3.shape[2]
    level = images_VHW3.reshape(views, pixels, 3).astype(np.int64) * bins // 256
    bin_number = level + bins * np.arange(3) + 3 * bins * np.arange(views)[:, None, None]
    counts = np.bincount(bin_number.ravel(), minlength=views * 3 * bins)
    return np.asarray(counts.reshape(views, 3 * bins) / pixels, np.float32)
