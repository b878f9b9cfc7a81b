"""Pictures as the teacher saw its own: one object on white, and their color histogram.

H x W pixels, S size of the result
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from crossjepa.errors import PointCloudError
from crossjepa.io.images import FORMATS
from crossjepa.train.render import color_histogram, resize_images

# How far a color may be from that of the border and still be background, of 255.
TOLERANCE = 20
# A border is plain if that share of its pixels has one color.
PLAIN_SHARE = 0.9
# Largest side at which the background is looked for.
_WORKING_SIDE = 512
_MAX_PIXELS = 1 << 26


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that the teacher can embed.

    Attributes:
        image_SS3: (S, S, 3) uint8 RGB, white around the object if the background was found.
        histogram_H: (48,) float32 color histogram.
        background: how the background was found: "alpha", "border", or "none" if it was left as it is.
    """

    image_SS3: NDArray[np.uint8]
    histogram_H: NDArray[np.float32]
    background: str


def read_picture(path: str | os.PathLike[str], size: int = 224) -> Picture:
    """Reads a picture of one object and makes its background white.

    The background is what is transparent, or else what is connected to the border and has its color, if at
    least nine tenths of the border have one color. A picture with another background is taken as it is.

    Args:
        path: a PNG, JPEG, WebP, BMP, TGA or GIF file.
        size: side of the result in pixels; pictures that are not square get white margins.

    Returns:
        The picture.

    Raises:
        PointCloudError: the file is missing, damaged, no picture, or shows nothing but background.
    """
    try:
        with Image.open(Path(path), formats=FORMATS) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise PointCloudError(path, f"{opened.width} x {opened.height} pixels are too many")
            image = ImageOps.exif_transpose(opened).convert("RGBA")
    except UnidentifiedImageError as error:
        raise PointCloudError(path, f"no readable picture (none of {', '.join(FORMATS)})") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, PointCloudError):
            raise
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise PointCloudError(path, f"cannot be read as a picture ({reason})") from error
    image.thumbnail((_WORKING_SIDE, _WORKING_SIDE), Image.Resampling.LANCZOS)
    rgba_HW4 = np.asarray(image, np.float32)
    is_background_HW, how = find_background(rgba_HW4)
    if is_background_HW.all():
        raise PointCloudError(path, "shows nothing but background")
    alpha_HW1 = rgba_HW4[..., 3:] / 255
    rgb_HW3 = rgba_HW4[..., :3] * alpha_HW1 + 255 * (1 - alpha_HW1)
    rgb_HW3[is_background_HW] = 255
    image_SS3 = resize_images(_square(rgb_HW3.round().astype(np.uint8))[None], size)
    return Picture(image_SS3[0], color_histogram(image_SS3)[0], how)


def find_background(rgba_HW4: NDArray[np.float32]) -> tuple[NDArray[np.bool_], str]:
    """Returns the (H, W) pixels of the background, and how it was found, see `Picture`."""
    is_clear_HW = rgba_HW4[..., 3] < 128
    if is_clear_HW.any():
        return is_clear_HW, "alpha"
    rgb_HW3 = rgba_HW4[..., :3]
    border_P3 = np.concatenate([rgb_HW3[0], rgb_HW3[-1], rgb_HW3[:, 0], rgb_HW3[:, -1]])
    color_3 = np.median(border_P3, axis=0)
    if (np.abs(border_P3 - color_3).max(axis=1) <= TOLERANCE).mean() < PLAIN_SHARE:
        return np.zeros(rgb_HW3.shape[:2], np.bool_), "none"
    return _connected_to_border(np.abs(rgb_HW3 - color_3).max(axis=2) <= TOLERANCE), "border"


def _connected_to_border(alike_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns the pixels that can be reached from the border over pixels that are alike."""
    alike = torch.from_numpy(alike_HW.astype(np.float32))[None, None]
    reached = torch.zeros_like(alike)
    reached[..., [0, -1], :] = alike[..., [0, -1], :]
    reached[..., :, [0, -1]] = alike[..., :, [0, -1]]
    count = -1.0
    while (found := float(reached.sum())) != count:
        count = found
        for _ in range(8):
            reached = torch.nn.functional.max_pool2d(reached, 3, stride=1, padding=1) * alike
    return np.asarray(reached[0, 0].bool().numpy())


def _square(image_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Adds white margins at the shorter sides."""
    height, width = image_HW3.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.full((side, side, 3), 255, np.uint8)
    square[top : top + height, left : left + width] = image_HW3
    return square
