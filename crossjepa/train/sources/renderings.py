"""Pictures that others rendered: the layouts of 3D-R2N2 (also CrossPoint's), of DISN, and our own.

V views, H x W pixels

| layout | pictures of an object |
|---|---|
| 3D-R2N2, CrossPoint | `<synset>/<model>/rendering/{00..23}.png`, `rendering_metadata.txt` |
| DISN | `image/<synset>/<model>/easy/{00..35}.png`, `rendering_metadata.txt` |
| `crossjepa render` | `<name>/{00..}.png`, `views.json`, `points.npy` |
"""

from __future__ import annotations

import json
import math
import os
import re
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.io import PointCloudError, find_files, read
from crossjepa.train.sources.collection import Collection, Item, Renderings, digest

METADATA = "rendering_metadata.txt"
VIEWS_NAME, POINTS_NAME = "views.json", "points.npy"
POSE_NAMES = ("azimuth", "elevation", "roll", "distance", "fov")
# Both sets: shares of 1.75, about objects whose bounding box has a diagonal of 1, a radius of 0.5.
MAX_DISTANCE, RADIUS = 1.75, 0.5
# 3D-R2N2's file says 25, which is about half the angle of its lens of 35 mm before a sensor of 32 mm.
LENS, SENSOR = 35.0, 32.0
_MODEL = re.compile(r"(?:^|/)(\d{8})[/-]([^/]+?)(?=/|\.[^/.]+$|$)")


class RenderedObjects(Collection):
    """Objects with pictures.

    Args:
        folders: the folder of each object's pictures, by name.
        kind: name of the layout.
        shapes: points or surface of each object, by name.
        up_axis: the axis that points up in them.
    """

    def __init__(
        self, folders: dict[str, Path], kind: str, shapes: dict[str, Path], up_axis: Axis = "y"
    ) -> None:
        self.folders, self.shapes, self.up_axis = folders, shapes, up_axis
        self.names = sorted(folders)
        self.facts = {"kind": kind, "up_axis": up_axis, "names": digest(self.names)}
        self.views = len(self.read_poses(folders[self.names[0]])[0])

    @abstractmethod
    def read_poses(self, folder: Path) -> tuple[list[str], NDArray[np.float32]]:
        """Returns the names of the pictures in a folder and their (V, 5) poses."""

    def __getitem__(self, row: int) -> Item:
        name = self.names[row]
        folder = self.folders[name]
        files, poses_V5 = self.read_poses(folder)
        if len(files) != self.views:
            raise PointCloudError(folder, f"{len(files)} views, the first object has {self.views}")
        images = [read_picture(folder / file) for file in files]
        if len({image.shape for image in images}) > 1:
            raise PointCloudError(folder, "its pictures have different sizes")
        renderings = Renderings(np.stack(images), poses_V5)
        return Item(read(self.shapes[name]), self.up_axis, renderings)


class R2N2(RenderedObjects):
    """3D-R2N2's renderings, a line `azimuth elevation in-plane distance-share field-of-view` a view."""

    def read_poses(self, folder: Path) -> tuple[list[str], NDArray[np.float32]]:
        table = _table(folder / METADATA, 5)
        # Blender's camera turned about its z axis, after objects were turned from y up to z up.
        return _pictures(len(table)), _poses(90 - table[:, 0], table[:, 1], table[:, 2], table[:, 3])


class DISN(RenderedObjects):
    """DISN's renderings, a line `[azimuth, elevation, in-plane, share, lens, sensor, distance, x, y, z]`.

    In the `hard` views the object is shifted by three further numbers; their poses are relative to it.
    """

    def read_poses(self, folder: Path) -> tuple[list[str], NDArray[np.float32]]:
        table = _table(folder / METADATA, 10)
        shift_V3 = table[:, [7, 9, 8]] * (1, 1, -1)
        azimuth, elevation, share = _around(table[:, 0], table[:, 1], table[:, 3], shift_V3)
        return _pictures(len(table)), _poses(90 - azimuth, elevation, table[:, 2], share)


class OwnRenderings(RenderedObjects):
    """What `crossjepa render` wrote; its points are always y up."""

    def read_poses(self, folder: Path) -> tuple[list[str], NDArray[np.float32]]:
        try:
            views = json.loads((folder / VIEWS_NAME).read_text())["views"]
            poses = [[float(view[name]) for name in POSE_NAMES] for view in views]
            return [str(view["image"]) for view in views], np.array(poses, np.float32).reshape(-1, 5)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PointCloudError(folder / VIEWS_NAME, f"cannot be read ({error!r})") from error


def open_renderings(
    folder: str | os.PathLike[str],
    shapes: str | os.PathLike[str] | None = None,
    *,
    up_axis: Axis = "y",
    difficulty: str = "easy",
    skip_unpaired: bool = False,
) -> RenderedObjects | None:
    """Finds renderings in a folder and pairs them with shapes.

    Args:
        folder: root of one of the layouts.
        shapes: folder of clouds or meshes `<synset>/<model>.*`, `<synset>/<model>/**` or
            `<synset>-<model>.*`; a `ShapeNet` beside the folder by default, as in CrossPoint. Our own
            renderings bring their points.
        up_axis: the axis that points up in the shapes.
        difficulty: "easy" or "hard" views of DISN.
        skip_unpaired: leave out objects without a shape instead of refusing.

    Returns:
        The collection, None where the folder holds no renderings.

    Raises:
        ValueError: objects have no shape.
    """
    root = Path(folder)
    image = root / "image" if (root / "image").is_dir() else root
    for base, inner, kind, reader in (
        (root, "rendering", "r2n2", R2N2),
        (image, difficulty, f"disn-{difficulty}", DISN),
    ):
        found = {
            f"{path.parent.parent.parent.name}/{path.parent.parent.name}": path.parent
            for path in base.glob(f"*/*/{inner}/{METADATA}")
        }
        if found:
            paired = _pair(root, found, shapes, skip_unpaired)
            found = {name: path for name, path in found.items() if name in paired}
            return reader(found, kind, paired, up_axis)
    own = {path.parent.relative_to(root).as_posix(): path.parent for path in root.rglob(VIEWS_NAME)}
    if own:
        return OwnRenderings(own, "crossjepa", {name: path / POINTS_NAME for name, path in own.items()})
    return None


def _pair(
    root: Path, found: dict[str, Path], shapes: str | os.PathLike[str] | None, skip_unpaired: bool
) -> dict[str, Path]:
    place = Path(shapes) if shapes is not None else root.absolute().parent / "ShapeNet"
    if not place.is_dir():
        raise ValueError(f"{root}: renderings need the points of their objects; say where with --shapes")
    shape_of: dict[str, Path] = {}
    for path in find_files(place):
        match = _MODEL.search(path.relative_to(place).as_posix())
        if match:
            shape_of.setdefault(f"{match[1]}/{match[2]}", path)
    missing = sorted(set(found) - set(shape_of))
    if missing and (not skip_unpaired or len(missing) == len(found)):
        raise ValueError(f"{place}: no shape of {len(missing)} of {len(found)} objects, such as {missing[0]}")
    return {name: shape_of[name] for name in found if name in shape_of}


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Reads a picture and lays it on white where it is transparent.

    Args:
        path: an image file.

    Returns:
        (H, W, 3) uint8.

    Raises:
        PointCloudError: it is missing or damaged.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            picture = image.convert("RGBA")
    except FileNotFoundError as error:
        raise PointCloudError(path, "no such file") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise PointCloudError(path, f"not a readable picture ({error})") from error
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"), np.uint8)


def _table(path: Path, columns: int) -> NDArray[np.float64]:
    """Reads lines of numbers, with brackets and commas or without."""
    try:
        lines = [re.sub(r"[\[\],]", " ", line).split() for line in path.read_text().splitlines()]
        table = np.array([line for line in lines if line], np.float64)
    except (OSError, ValueError) as error:
        raise PointCloudError(path, f"cannot be read ({error})") from error
    if table.ndim != 2 or table.shape[1] != columns or not np.isfinite(table).all():
        raise PointCloudError(path, f"expected {columns} numbers a line, found a table {table.shape}")
    return table


def _pictures(count: int) -> list[str]:
    return [f"{number:02d}.png" for number in range(count)]


def _poses(
    azimuth_V: NDArray[Any], elevation_V: NDArray[Any], roll_V: NDArray[Any], share_V: NDArray[Any]
) -> NDArray[np.float32]:
    distance_V = share_V * MAX_DISTANCE / RADIUS
    fov_V = np.full(len(share_V), math.degrees(2 * math.atan(SENSOR / 2 / LENS)))
    return np.stack([azimuth_V % 360, elevation_V, roll_V, distance_V, fov_V], axis=1).astype(np.float32)


def _around(
    azimuth_V: NDArray[Any], elevation_V: NDArray[Any], share_V: NDArray[Any], shift_V3: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Returns where cameras are, as seen from the shifted objects."""
    turn_V, rise_V = np.radians(azimuth_V), np.radians(elevation_V)
    direction_V3 = np.stack(
        [np.cos(rise_V) * np.cos(turn_V), np.sin(rise_V), np.cos(rise_V) * np.sin(turn_V)], axis=1
    )
    place_V3 = MAX_DISTANCE * share_V[:, None] * direction_V3 - shift_V3
    distance_V = np.linalg.norm(place_V3, axis=1)
    return (
        np.degrees(np.arctan2(place_V3[:, 2], place_V3[:, 0])),
        np.degrees(np.arcsin(place_V3[:, 1] / distance_V)),
        distance_V / MAX_DISTANCE,
    )
