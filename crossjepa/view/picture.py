"""Pictures for papers, and clouds with colors for other tools.

N points of a shape, H x W pixels
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.files import atomic_write
from crossjepa.train.render.camera import View
from crossjepa.train.render.dots import framed, render_dots
from crossjepa.train.render.images import save_png
from crossjepa.train.render.sheet import Row, named_sheet
from crossjepa.view.scene import Scene, Shown

VIEW = View(35, 20)
# Points keep their colors: what is far away is only a little paler.
PALEST = 0.15
MOST_COLUMNS = 6


def draw_scene(
    scene: Scene, *, color: str = "features", size: int = 480, views: Sequence[View] = (VIEW,)
) -> NDArray[np.uint8]:
    """Draws all shapes with their names.

    Args:
        scene: what to show.
        color: as in `Scene.point_colors`.
        size: width and height of the picture of a shape in pixels.
        views: cameras; each shape is drawn from all of them.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the model has no head, or there is no such coloring.
    """
    rows = []
    for shape in scene.shapes:
        colors_N3 = scene.point_colors(shape, color) / 255
        pictures = []
        for view in views:
            moved_N3, fitting = framed(shape.points_N3, view)
            pictures.append(
                render_dots(
                    moved_N3, [fitting], size=size, supersample=3, colors_N3=colors_N3, palest=PALEST
                )[0]
            )
        name = shape.name
        if color == "prediction" and scene.task == "classification":
            name = f"{name}: {shape.label}"
        rows.append(Row(name, np.stack(pictures)))
    return named_sheet(rows, columns=MOST_COLUMNS)


def write_picture(
    path: str | os.PathLike[str],
    scene: Scene,
    *,
    color: str = "features",
    size: int = 480,
    views: Sequence[View] = (VIEW,),
) -> None:
    """Writes what `draw_scene` draws as PNG.

    Args:
        path: the file.
        scene: as in `draw_scene`.
        color: the same.
        size: the same.
        views: the same.

    Example:
        >>> encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
        >>> scene = crossjepa.view.make_scene(encoder, "chair.obj", points=500)
        >>> write_picture("features.png", scene, size=96)
    """
    save_png(path, draw_scene(scene, color=color, size=size, views=views))


def write_ply(path: str | os.PathLike[str], scene: Scene, *, color: str = "features") -> list[Path]:
    """Writes points with colors as PLY, which Blender, MeshLab, CloudCompare and Open3D read.

    Points are in the coordinates of the file that they come from; those of a mesh are samples of its surface.

    Args:
        path: a file that ends in .ply, for one shape; or a folder, which gets one file per shape.
        scene: what to write.
        color: as in `draw_scene`.

    Returns:
        The files.

    Raises:
        ValueError: there are several shapes and only one file.

    Example:
        >>> encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
        >>> write_ply("chair.ply", crossjepa.view.make_scene(encoder, "chair.obj", points=500))
        [PosixPath('chair.ply')]
        >>> crossjepa.io.read("chair.ply", color=True).colors_N3.shape
        (500, 3)
    """
    target = Path(path)
    if target.suffix.lower() == ".ply":
        if len(scene.shapes) > 1:
            raise ValueError(f"{target}: one PLY file for {len(scene.shapes)} shapes: name a folder instead")
        files = [target]
    else:
        target.mkdir(parents=True, exist_ok=True)
        files = _ply_names(target, scene.shapes)
    for file, shape in zip(files, scene.shapes, strict=True):
        _write_ply(file, shape.original_N3, scene.point_colors(shape, color))
    return files


def _ply_names(folder: Path, shapes: Sequence[Shown]) -> list[Path]:
    names: list[str] = []
    for shape in shapes:
        name = re.sub(r"[^\w.-]+", "_", shape.name) or "shape"
        while name in names:
            name += "_"
        names.append(name)
    return [folder / f"{name}.ply" for name in names]


def _write_ply(path: Path, points_N3: NDArray[np.float64], colors_N3: NDArray[np.uint8]) -> None:
    kinds = [("x", "<f8"), ("y", "<f8"), ("z", "<f8"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]
    rows = np.zeros(len(points_N3), kinds)
    for number, name in enumerate("xyz"):
        rows[name] = points_N3[:, number]
    for number, name in enumerate(("red", "green", "blue")):
        rows[name] = colors_N3[:, number]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    header += [f"property {'double' if kind == '<f8' else 'uchar'} {name}" for name, kind in kinds]
    content = ("\n".join([*header, "end_header"]) + "\n").encode() + rows.tobytes()
    atomic_write(path, lambda file: file.write(content))
