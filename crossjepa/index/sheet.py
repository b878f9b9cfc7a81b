"""What a search found, as pictures on one sheet.

S side of a picture
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from crossjepa.config import Axis
from crossjepa.errors import PointCloudError
from crossjepa.index.search import Match
from crossjepa.io import Mesh, read
from crossjepa.processor import rotate_up_axis, unit_sphere
from crossjepa.train.render import View, contact_sheet, render_cloud, render_mesh, save_png

SIDE, COLUMNS, CAPTION, GAP = 192, 4, 28, 8
AZIMUTH, ELEVATION = 30.0, 20.0
_LONGEST = 30


def write_sheet(
    path: str | os.PathLike[str],
    matches: Sequence[Match],
    query: str | os.PathLike[str],
    *,
    up_axis: Axis = "y",
) -> None:
    """Writes a PNG of the query and of what was found, each with its name and similarity.

    Shapes are seen from the pose that was found, or from the front right. A file that is gone or cannot be
    read leaves its place empty.

    Args:
        path: the PNG file.
        matches: what a search returned.
        query: the shape or picture that was searched with.
        up_axis: the axis that points up in the files.
    """
    tiles = [_tile(_query_picture(Path(query), up_axis), Path(query).name, "query")]
    for match in matches:
        azimuth = AZIMUTH if match.azimuth is None else match.azimuth
        elevation = ELEVATION if match.elevation is None else match.elevation
        pose = "" if match.azimuth is None else f", azimuth {azimuth:.0f}, elevation {elevation:.0f}"
        image_SS3 = _rendered(match.file, azimuth, elevation, up_axis)
        tiles.append(_tile(image_SS3, Path(match.file).name, f"{match.similarity:.3f}{pose}"))
    # Each tile has a gap above it and to its left; the last ones need one below and to the right, too.
    spaced = np.pad(np.stack(tiles), ((0, 0), (GAP, 0), (GAP, 0), (0, 0)), constant_values=255)
    sheet = np.pad(contact_sheet(spaced, COLUMNS), ((0, GAP), (0, GAP), (0, 0)), constant_values=255)
    save_png(path, sheet)


def _query_picture(path: Path, up_axis: Axis) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            picture = image.convert("RGBA")
    except OSError:
        return _rendered(path, AZIMUTH, ELEVATION, up_axis)
    picture.thumbnail((SIDE, SIDE))
    page = Image.new("RGB", (SIDE, SIDE), "white")
    page.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2), picture)
    return np.asarray(page)


def _rendered(
    file: str | os.PathLike[str], azimuth: float, elevation: float, up_axis: Axis
) -> NDArray[np.uint8]:
    try:
        shape = read(file)
    except PointCloudError:
        return np.full((SIDE, SIDE, 3), 240, np.uint8)
    view = View(azimuth, elevation)
    points_P3 = rotate_up_axis(
        shape.vertices_V3 if isinstance(shape, Mesh) else shape.points_N3, up_axis, "y"
    )
    placed_P3 = unit_sphere(points_P3).apply(points_P3)
    if isinstance(shape, Mesh):
        return np.asarray(render_mesh(placed_P3, shape.faces_F3, [view], size=SIDE)[0])
    return np.asarray(render_cloud(placed_P3, [view], size=SIDE)[0])


def _tile(image_SS3: NDArray[np.uint8], name: str, note: str) -> NDArray[np.uint8]:
    page = Image.new("RGB", (SIDE, SIDE + CAPTION), "white")
    page.paste(Image.fromarray(image_SS3), (0, 0))
    draw = ImageDraw.Draw(page)
    shown = name if len(name) <= _LONGEST else name[: _LONGEST - 3] + "..."
    shown = shown.encode("latin-1", "replace").decode("latin-1")  # what Pillow's own font has
    draw.text((2, SIDE), shown, fill="black")
    draw.text((2, SIDE + CAPTION // 2), note, fill="gray")
    return np.asarray(page)
