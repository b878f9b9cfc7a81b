"""Contact sheets of rendered objects, for people.

V views, H x W pixels
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.datasets.cameras import POSE_FIELDS, VIEWS_NAME
from crossjepa.datasets.renderings import POINTS_NAME, read_picture
from crossjepa.train.render.camera import View
from crossjepa.train.render.dots import render_dots
from crossjepa.train.render.images import resize_images, save_png
from crossjepa.train.render.sheet import Row, named_sheet, short_names

PREVIEW_SIZE, PREVIEW_COLUMNS, PREVIEW_MOST = 128, 12, 480
# Grays of a picture without colors differ by less than this between red, green and blue.
_GRAY = 8


def write_preview(path: str | os.PathLike[str], folders: Sequence[Path], *, views: int | None = None) -> None:
    """Writes a contact sheet of rendered objects with their names.

    Clouds without colors are drawn as round points with depth shading, from the cameras of their pictures:
    the shaded pictures that teachers see look like gray blobs to people. At most 480 pictures are shown.

    Args:
        path: the PNG file.
        folders: the folders of the objects, as `render_files` writes them.
        views: views of each object, spread evenly over its pictures, 0 for all; by default all views of up
            to 4 objects, four views of each of up to 60, and one view of each of more.
    """
    if views is None:
        views = 0 if len(folders) <= 4 else 4 if len(folders) <= 60 else 1
    rows: list[Row] = []
    left = PREVIEW_MOST
    for folder, name in zip(folders, short_names(folders), strict=True):
        images_VHW3 = _pictures(folder, views)[:left]
        rows.append(Row(name, images_VHW3))
        left -= len(images_VHW3)
        if left <= 0:
            break
    if rows:
        save_png(path, named_sheet(rows, PREVIEW_COLUMNS))


def _pictures(folder: Path, count: int) -> NDArray[np.uint8]:
    """Returns (V, H, W, 3) pictures of an object."""
    facts = json.loads((folder / VIEWS_NAME).read_text(encoding="utf-8"))
    views = facts["views"]
    if count:
        chosen = np.linspace(0, len(views), min(count, len(views)), endpoint=False).astype(int)
        views = [views[place] for place in chosen]
    images = [read_picture(folder / view["image"])[None] for view in views]
    if facts.get("kind") == "cloud" and max(np.ptp(image, axis=3).max() for image in images) < _GRAY:
        points_P3 = np.load(folder / POINTS_NAME, allow_pickle=False).astype(np.float32)
        points_P3 = np.unique(points_P3, axis=0)  # a small cloud was filled up with copies
        cameras = [View(*(view[name] for name in POSE_FIELDS)) for view in views]
        return render_dots(points_P3, cameras, size=PREVIEW_SIZE)
    return np.concatenate([resize_images(image, PREVIEW_SIZE) for image in images])
