"""Images resized to one size.

V views, H x W pixels
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def resize_images(images_VHW3: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resizes (V, H, W, 3) images to (V, size, size, 3) with antialiasing, unless they have that size."""
    if images_VHW3.shape[1:3] == (size, size):
        return images_VHW3
    images = torch.from_numpy(np.array(images_VHW3)).permute(0, 3, 1, 2).float()
    resized = torch.nn.functional.interpolate(images, size=(size, size), mode="bicubic", antialias=True)
    return np.asarray(resized.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy())
