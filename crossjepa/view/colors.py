"""Colors that mean something: principal components of features, and one color per name.

n points of all shapes, N points of a shape, C channels, D principal components, K names
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Okabe and Ito's palette, which most people with color blindness can tell apart, without black and yellow,
# which are hard to see on a white or dark page.
_FIRST = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0),
)  # fmt: skip
# Shares of the points that are beyond the darkest and the brightest value of a color channel.
_TAILS = (1, 99)
# Lightness, green to red, blue to yellow in OKLab: what the middle of a component is, and how far its ends
# are from it. Nothing gets so dark or so light that it is lost on a page.
_MIDDLE, _REACH = (0.64, 0.0, 0.0), (0.14, 0.16, 0.16)
_OKLAB_TO_CONES = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_CONES_TO_LINEAR = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of features.

    Attributes:
        mean_C: (C,) mean of the features.
        axes_DC: (D, C) orthonormal directions, that of the largest variance first.
        share: share of the variance that they hold.
    """

    mean_C: NDArray[np.float64]
    axes_DC: NDArray[np.float64]
    share: float

    @classmethod
    def of(cls, features: Sequence[NDArray[np.floating]], count: int) -> Components:
        """Finds the components of the points of all shapes; each shape weighs the same.

        Args:
            features: (N_i, C) of each shape.
            count: number of components, fewer if there are fewer channels.
        """
        mean_C = np.stack([each_NC.mean(axis=0, dtype=np.float64) for each_NC in features]).mean(axis=0)
        covariances = [(each_NC - mean_C).T @ (each_NC - mean_C) / len(each_NC) for each_NC in features]
        values_C, vectors_CC = np.linalg.eigh(np.mean(covariances, axis=0))
        axes_DC = vectors_CC.T[::-1][:count]
        # An axis may point either way: the sign of its largest entry is fixed, so that colors are.
        largest_D = axes_DC[np.arange(len(axes_DC)), np.abs(axes_DC).argmax(axis=1)]
        share = values_C[::-1][:count].sum() / max(values_C.sum(), 1e-12)
        return cls(mean_C, axes_DC * np.sign(largest_D)[:, None], float(np.clip(share, 0, 1)))

    def __call__(self, features_NC: NDArray[np.floating]) -> NDArray[np.float64]:
        """Returns the (N, D) coordinates of (N, C) features."""
        return np.asarray((features_NC - self.mean_C) @ self.axes_DC.T)


def component_colors(coordinates: Sequence[NDArray[np.floating]]) -> list[NDArray[np.uint8]]:
    """Shows the first three components as lightness, green to red, and blue to yellow, on one scale for all.

    Args:
        coordinates: (N_i, D) of each shape.

    Returns:
        (N_i, 3) uint8 colors of each shape.
    """
    joined_n3 = np.concatenate(coordinates)[:, :3]
    low_3, high_3 = np.percentile(joined_n3, _TAILS, axis=0)
    span_3 = np.where(high_3 > low_3, high_3 - low_3, 1.0)
    colors = []
    for each_ND in coordinates:
        level_N3 = np.zeros((len(each_ND), 3))
        shown_N3 = np.clip(2 * (each_ND[:, :3] - low_3) / span_3 - 1, -1, 1)
        level_N3[:, : shown_N3.shape[1]] = shown_N3
        colors.append(from_oklab(np.array(_MIDDLE) + level_N3 * _REACH))
    return colors


def from_oklab(lab_N3: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Converts colors from OKLab, whose distances are those that people see, to (N, 3) uint8 sRGB.

    The matrices are those of https://bottosson.github.io/posts/oklab/.
    """
    cone_N3 = (lab_N3 @ np.array(_OKLAB_TO_CONES).T) ** 3
    linear_N3 = np.clip(cone_N3 @ np.array(_CONES_TO_LINEAR).T, 0, 1)
    encoded_N3 = np.where(linear_N3 <= 0.0031308, 12.92 * linear_N3, 1.055 * linear_N3 ** (1 / 2.4) - 0.055)
    return np.asarray((255 * encoded_N3).round().astype(np.uint8))


def name_colors(count: int) -> NDArray[np.uint8]:
    """Returns (K, 3) uint8 colors of as many names, as different as so many can be."""
    hues = ((0.09 + 0.618034 * number) % 1 for number in range(max(0, count - len(_FIRST))))
    others = [
        tuple(round(255 * value) for value in colorsys.hls_to_rgb(hue, (0.42, 0.6)[number % 2], 0.62))
        for number, hue in enumerate(hues)
    ]
    return np.array([*_FIRST, *others], np.uint8)[:count].reshape(count, 3)
