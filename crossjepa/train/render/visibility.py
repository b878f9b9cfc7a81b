"""Where points of an object are in its pictures, and which of the pictures show them.

V views, K points, S samples along each side of a picture
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossjepa.train.render.camera import View, project

# A point may lie behind what a sample shows by this much, in radii: surfaces are tilted within a sample.
TOLERANCE = 0.02
# Discs of a cloud lie in the planes of their points, partly before their neighbors.
CLOUD_TOLERANCE = 0.05


class Sight(NamedTuple):
    """Points as some views see them.

    Attributes:
        place_VK2: (V, K, 2) float64 places in the pictures, x to the right and y down, from 0 to 1.
        seen_VK: (V, K) bool, whether a picture shows the point: it is inside, and nothing is in front of it.
    """

    place_VK2: NDArray[np.float64]
    seen_VK: NDArray[np.bool_]


def see_points(
    points_K3: NDArray[np.floating],
    views: Sequence[View],
    depth_VSS: NDArray[np.float32],
    tolerance: float = TOLERANCE,
) -> Sight:
    """Looks points up in depth maps.

    Args:
        points_K3: (K, 3) points in the frame of the cameras.
        views: the cameras.
        depth_VSS: (V, S, S) depth of what they see, inf for the background.
        tolerance: how far behind that a point may lie, in radii.

    Returns:
        The places of the points in the pictures, and which are seen.
    """
    samples = depth_VSS.shape[1]
    places, seen = [], []
    for view, depth_SS in zip(views, depth_VSS, strict=True):
        pixel_K2, depth_K = project(points_K3, view, samples)
        with np.errstate(invalid="ignore"):
            inside_K = ((pixel_K2 >= 0) & (pixel_K2 < samples)).all(axis=1) & (depth_K > 0)
        column_K, row_K = np.where(inside_K[:, None], pixel_K2, 0).astype(np.int64).T
        # A point at the outline may fall beside its own surface, on the background or on what lies behind.
        seen.append(inside_K & (depth_K <= depth_SS[row_K, column_K] + tolerance))
        places.append(np.where(inside_K[:, None], pixel_K2 / samples, 0))
    return Sight(np.stack(places), np.stack(seen))
