"""The look of a surface: colors at the corners of its faces, and textures.

F faces, V vertices, H x W texels
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Approximates sRGB; with a power law, a product of linear colors is still a product after encoding.
GAMMA = 1 / 2.2
# Beyond this many repeats, float32 has hardly any digits left for the place within the image.
_MOST_REPEATS = 1e6


@dataclass(frozen=True, eq=False)
class Appearance:
    """Colors in sRGB, from 0 to 1. The colors of a texture are multiplied by those of the corners.

    Attributes:
        colors_F33: (F, 3, 3) float32 red, green and blue at the corners of every face.
        texture_F: (F,) int64 number of each face's texture, -1 for none.
        uv_F32: (F, 3, 2) float32 texture coordinates of the corners: (0, 0) is the upper left and (1, 1) the
            lower right corner of the texture, which repeats beyond.
        textures: (H, W, 4) uint8 images of red, green, blue and opacity.
    """

    colors_F33: NDArray[np.float32]
    texture_F: NDArray[np.int64]
    uv_F32: NDArray[np.float32]
    textures: tuple[NDArray[np.uint8], ...] = ()

    def select(self, faces_F: NDArray[np.bool_]) -> Appearance:
        """Returns the appearance of some of the faces."""
        return Appearance(
            self.colors_F33[faces_F], self.texture_F[faces_F], self.uv_F32[faces_F], self.textures
        )

    @classmethod
    def of_corners(cls, colors_F33: NDArray[Any]) -> Appearance:
        """Makes an appearance of (F, 3, 3) colors of corners, without textures; NaN becomes white."""
        with np.errstate(over="ignore"):
            colors_F33 = np.asarray(colors_F33, np.float32)
        colors_F33 = np.nan_to_num(colors_F33, nan=1.0, posinf=1.0, neginf=0.0)
        faces = len(colors_F33)
        uv_F32 = np.zeros((faces, 3, 2), np.float32)
        return cls(np.clip(colors_F33, 0, 1), np.full(faces, -1, np.int64), uv_F32)

    @classmethod
    def of_faces(cls, colors_F3: NDArray[Any]) -> Appearance:
        """Makes an appearance of (F, 3) colors of faces, without textures."""
        return cls.of_corners(np.repeat(np.asarray(colors_F3, np.float32)[:, None], 3, axis=1))


def unit_colors(columns: NDArray[Any]) -> NDArray[np.float32]:
    """Scales colors to 0 to 1: unsigned ones by the range of their type, others by 255 if they exceed 1.

    NaN becomes white.
    """
    if columns.dtype.kind == "u" and columns.dtype.itemsize <= 2:
        return np.asarray(columns / np.iinfo(columns.dtype).max, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        colors = np.asarray(columns, np.float32)
    beyond = bool((colors[np.isfinite(colors)] > 2).any())
    white = 255.0 if beyond else 1.0
    colors = np.nan_to_num(colors, nan=white, posinf=white, neginf=0.0)
    return colors / np.float32(255) if beyond or columns.dtype.kind == "i" else colors


def valid_uv(uv: NDArray[Any]) -> NDArray[np.float32]:
    """Returns texture coordinates as float32; those too large to mean a place on an image become 0."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(uv) < _MOST_REPEATS, uv, 0).astype(np.float32)
