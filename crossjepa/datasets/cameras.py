"""Tables of cameras beside existing pictures, in the format of each data set.

V views
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crossjepa.io import PointCloudError

METADATA, VIEWS_NAME = "rendering_metadata.txt", "views.json"
# The numbers of a pose, in their order wherever poses are kept.
POSE_FIELDS = ("azimuth", "elevation", "roll", "distance", "fov")
# The renderings of 3D-R2N2 and DISN: a lens of 35 mm before a sensor of 32 mm, and shares of a largest
# distance from objects whose bounding box has a diagonal of 1, a radius of 0.5.
BLENDER_FIELD_OF_VIEW = math.degrees(2 * math.atan(32 / 2 / 35))
BLENDER_LENGTH = 1.75
BLENDER_DISTANCE = BLENDER_LENGTH / 0.5
# Names of the pictures in a folder and their (V, 5) poses.
Cameras: TypeAlias = tuple[list[str], NDArray[np.float32]]


@dataclass(frozen=True)
class Layout:
    """How a data set describes its cameras.

    Attributes:
        kind: its name.
        table: name of the file in the folder of an object's pictures.
        parse: reads such a file; numbers need not be finite.
    """

    kind: str
    table: str
    parse: Callable[[Path], Cameras]

    def read(self, folder: Path) -> Cameras:
        """Returns the names of the pictures in the folder of an object, and their (V, 5) poses, V >= 1.

        Raises:
            PointCloudError: the table is missing or damaged.
        """
        path = folder / self.table
        with np.errstate(over="ignore", invalid="ignore"):
            files, poses_V5 = self.parse(path)
        if not files:
            raise PointCloudError(path, "it has no views")
        bad_V = ~np.isfinite(poses_V5).all(axis=1)
        if bad_V.any():
            raise PointCloudError(path, f"the camera of view {int(bad_V.argmax())} is not finite")
        near_V = poses_V5[:, POSE_FIELDS.index("distance")] <= 0
        if near_V.any():
            raise PointCloudError(path, f"the distance of view {int(near_V.argmax())} is not positive")
        return files, poses_V5


def _parse_r2n2(path: Path) -> Cameras:
    """3D-R2N2: `azimuth elevation in-plane distance-share field-of-view`, one line per view."""
    table = _table(path, 5)
    # Blender's camera turned about its z axis, after objects were turned from y up to z up.
    return _views(90 - table[:, 0], table[:, 1], table[:, 2], table[:, 3])


def _parse_disn(path: Path) -> Cameras:
    """DISN: `[azimuth, elevation, in-plane, share, lens, sensor, distance, x, y, z]`, one line per view.

    In the `hard` views the object is shifted by the three last numbers; their poses are relative to it.
    """
    table = _table(path, 10)
    shift_V3 = table[:, [7, 9, 8]] * (1, 1, -1)
    turn_V, rise_V = np.radians(table[:, 0]), np.radians(table[:, 1])
    direction_V3 = np.stack(
        [np.cos(rise_V) * np.cos(turn_V), np.sin(rise_V), np.cos(rise_V) * np.sin(turn_V)], axis=1
    )
    place_V3 = BLENDER_LENGTH * table[:, 3, None] * direction_V3 - shift_V3
    distance_V = np.linalg.norm(place_V3, axis=1)
    azimuth_V = np.degrees(np.arctan2(place_V3[:, 2], place_V3[:, 0]))
    elevation_V = np.degrees(np.arcsin(place_V3[:, 1] / distance_V))
    return _views(90 - azimuth_V, elevation_V, table[:, 2], distance_V / BLENDER_LENGTH)


def _parse_own(path: Path) -> Cameras:
    """What `crossjepa render` wrote."""
    try:
        views = json.loads(path.read_text(encoding="utf-8"))["views"]
        poses = [[_number(view[name], name) for name in POSE_FIELDS] for view in views]
        files = [os.fspath(view["image"]) for view in views]
        return files, np.array(poses, np.float32).reshape(-1, 5)
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise PointCloudError(path, f"cannot be read ({error!r})") from error


R2N2 = Layout("r2n2", METADATA, _parse_r2n2)
OWN = Layout("crossjepa", VIEWS_NAME, _parse_own)


def disn(difficulty: str) -> Layout:
    """Returns the layout of DISN's "easy" or "hard" views."""
    return Layout(f"disn-{difficulty}", METADATA, _parse_disn)


def _table(path: Path, columns: int) -> NDArray[np.float64]:
    """Reads lines of numbers, with or without brackets and commas."""
    try:
        lines = [
            re.sub(r"[\[\],]", " ", line).split() for line in path.read_text(encoding="utf-8").splitlines()
        ]
        rows = [[float(word) for word in words] for words in lines if words]
    except (OSError, ValueError) as error:
        raise PointCloudError(path, f"cannot be read ({error})") from error
    for number, row in enumerate(rows):
        if len(row) != columns:
            raise PointCloudError(path, f"expected {columns} numbers per line, found {len(row)}")
        if not all(map(math.isfinite, row)):
            raise PointCloudError(path, f"a number of view {number} is not finite")
    return np.array(rows, np.float64).reshape(-1, columns)


def _number(value: object, name: str) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}, not a number")
    return float(value)


def _views(
    azimuth_V: NDArray[Any], elevation_V: NDArray[Any], roll_V: NDArray[Any], share_V: NDArray[Any]
) -> Cameras:
    distance_V = share_V * BLENDER_DISTANCE
    # 3D-R2N2's file says 25, which is about half the angle of its lens.
    fov_V = np.full(len(share_V), BLENDER_FIELD_OF_VIEW)
    poses_V5 = np.stack([azimuth_V % 360, elevation_V, roll_V, distance_V, fov_V], axis=1)
    return [f"{number:02d}.png" for number in range(len(share_V))], poses_V5.astype(np.float32)
