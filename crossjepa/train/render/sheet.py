"""Contact sheets with names: one block of pictures per object.

V views of an object, H x W pixels
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

INK, PAPER = (28, 36, 48), (255, 255, 255)


class Row(NamedTuple):
    """An object on a sheet.

    Attributes:
        name: what is written below its pictures.
        images_VHW3: (V, H, W, 3) uint8 pictures.
    """

    name: str
    images_VHW3: NDArray[np.uint8]


def named_sheet(rows: Sequence[Row], columns: int) -> NDArray[np.uint8]:
    """Lays pictures out with gaps, and writes the names below them.

    The pictures of an object stay together: in one line, or in several if there are more than `columns`.
    Several objects share a line if they fit.

    Args:
        rows: the objects, all with pictures of one size and the same number of them, or fewer.
        columns: most pictures side by side.

    Returns:
        (H, W, 3) uint8 the sheet.

    Raises:
        ValueError: there is nothing to show.
    """
    if not rows:
        raise ValueError("a sheet needs at least one object")
    side = rows[0].images_VHW3.shape[1]
    views = max(len(row.images_VHW3) for row in rows)
    wide = min(views, columns)  # pictures of one object side by side
    high = -(-views // wide)
    across = min(max(1, columns // wide), len(rows))
    down = -(-len(rows) // across)
    across = -(-len(rows) // down)  # lines of nearly equal length
    gap, margin = max(4, side // 24), max(10, side // 10)
    letters = max(11, side // 12)
    block = (wide * side + (wide - 1) * gap, high * side + (high - 1) * gap + round(2.0 * letters))
    between = (gap + margin, margin)
    width = 2 * margin + across * block[0] + (across - 1) * between[0]
    height = 2 * margin + down * block[1] + (down - 1) * between[1]
    sheet = Image.new("RGB", (width, height), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(letters)
    for number, row in enumerate(rows):
        left = margin + number % across * (block[0] + between[0])
        top = margin + number // across * (block[1] + between[1])
        for place, image_HW3 in enumerate(row.images_VHW3):
            corner = (left + place % wide * (side + gap), top + place // wide * (side + gap))
            sheet.paste(Image.fromarray(image_HW3), corner)
        lines = -(-len(row.images_VHW3) // wide)
        below = top + lines * side + (lines - 1) * gap + round(0.35 * letters)
        name = shortened(row.name, block[0], font)
        pen.text((left + block[0] / 2, below), name, fill=INK, font=font, anchor="ma")
    return np.asarray(sheet)


def short_names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Names files or folders by the shortest ends of their paths that tell them apart.

    Example:
        >>> short_names(["a/x.ply", "b/x.ply"]), short_names(["a/x.ply", "b/y.ply"])
        (['a/x.ply', 'b/x.ply'], ['x.ply', 'y.ply'])
    """
    split = [Path(path).parts for path in paths]
    names: list[str] = []
    for length in range(1, max(map(len, split), default=0) + 1):
        names = ["/".join(parts[-length:]) for parts in split]
        if len(set(names)) == len(set(split)):
            break
    return names


def shortened(name: str, width: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Returns a name that fits into a width in pixels: the beginning of a long one is left out."""
    name = name.encode("utf-8", "replace").decode()
    if font.getlength(name) <= width:
        return name
    for start in range(1, len(name)):
        if font.getlength(f"...{name[start:]}") <= width:
            return f"...{name[start:]}"
    return ""
