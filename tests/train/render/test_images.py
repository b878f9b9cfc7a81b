"""Images resized to one size.

V views, H x W pixels
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossjepa.train.render.images import resize_images


def pictures(size: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)


def test_pictures_are_resized_smoothly() -> None:
    images = pictures(137)
    assert resize_images(images, 137) is images
    small = resize_images(images, 50)
    assert small.shape == (3, 50, 50, 3)
    np.testing.assert_allclose(small.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=1)
