"""Renderings of files, written as files: one folder per object with pictures, cameras and points.

V views, H x W pixels
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crossjepa.config import Axis
from crossjepa.datasets.cameras import POSE_FIELDS, VIEWS_NAME
from crossjepa.datasets.renderings import POINTS_NAME
from crossjepa.datasets.sample import Sample
from crossjepa.errors import errors_about
from crossjepa.files import atomic_write, write_json
from crossjepa.hashing import file_digest, recipe_hash, text_digest
from crossjepa.io import Mesh, PointCloudError, find_files, read
from crossjepa.locks import in_use
from crossjepa.train.render import save_png
from crossjepa.train.render.views import ObjectViews, RenderConfig, make_views

FORMAT = 1


@dataclass
class RenderResult:
    """Outcome of rendering files.

    Attributes:
        folders: folder of the pictures of each rendered object.
        errors: why the other files could not be rendered.
    """

    folders: list[Path] = field(default_factory=list)
    errors: list[PointCloudError] = field(default_factory=list)


def render_files(
    inputs: Iterable[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    config: RenderConfig,
    *,
    up_axis: Axis = "y",
    device: str = "cpu",
    each: Callable[[int, int], object] | None = None,
) -> RenderResult:
    """Renders files and folders and collects what fails instead of stopping.

    Objects that an earlier call rendered completely from the same file are left as they are.

    Args:
        inputs: point and mesh files, and folders of such files.
        output: folder in which each object gets its own folder.
        config: cameras and pictures.
        up_axis: the axis that points up in the files.
        device: where to render.
        each: called after each file with the number of files done and of all files.

    Returns:
        Folders and errors.

    Raises:
        PointCloudError: a folder holds no readable file.
        FolderInUseError: another run on this machine renders to the output.
        OSError: the output cannot be written.
    """
    files = _named_files(inputs)
    result = RenderResult()
    with in_use(output):
        for number, (name, path) in enumerate(files.items(), 1):
            folder = Path(output) / name
            try:
                _render_file(path, folder, name, config, up_axis, device)
                result.folders.append(folder)
            except PointCloudError as error:
                result.errors.append(error)
            if each is not None:
                each(number, len(files))
    return result


def _render_file(
    path: Path, folder: Path, name: str, config: RenderConfig, up_axis: Axis, device: str
) -> None:
    partial, old = (folder.with_name(f".{folder.name}.{state}") for state in ("partial", "old"))
    for left in (partial, old):  # left by a killed call
        shutil.rmtree(left, ignore_errors=True)
    with errors_about(path):
        shape = read(path, color=True)
        recipe = {**config.facts(), "format": FORMAT, "up_axis": up_axis, "sha256": file_digest(path)}
        if _is_complete(folder, recipe_hash(recipe)):
            return
        # The cameras depend on the name alone, so that files can be added.
        row = int(text_digest([name]), 16) % 2**31
        views = make_views(Sample(shape, name, up_axis=up_axis), row, config, device)
    partial.mkdir(parents=True)
    _write(partial, views, path.name, recipe, "mesh" if isinstance(shape, Mesh) else "cloud")
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _write(folder: Path, views: ObjectViews, source: str, recipe: dict[str, Any], kind: str) -> None:
    described = []
    for number, (image_HW3, pose_5, histogram_H) in enumerate(
        zip(views.images_VHW3, views.poses_V5, views.histograms_VH, strict=True)
    ):
        file = f"{number:02d}.png"
        save_png(folder / file, image_HW3)
        pose = dict(zip(POSE_FIELDS, map(float, pose_5), strict=True))
        described.append({"image": file, **pose, "histogram": [float(share) for share in histogram_H]})
    points_P3 = views.points_P3.astype(np.float16)
    atomic_write(folder / POINTS_NAME, lambda file: np.save(file, points_P3, allow_pickle=False))
    frame = {"centroid": views.frame.centroid_3.tolist(), "radius": views.frame.radius}
    facts = {
        "source": source,
        "kind": kind,
        "recipe_hash": recipe_hash(recipe),
        "recipe": recipe,
        "frame": frame,
    }
    write_json(folder / VIEWS_NAME, {"format": FORMAT, **facts, "views": described})


def _is_complete(folder: Path, wanted: str) -> bool:
    """Whether a folder was rendered with that recipe; a folder gets its name only when it is complete."""
    try:
        return bool(json.loads((folder / VIEWS_NAME).read_text(encoding="utf-8"))["recipe_hash"] == wanted)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _named_files(inputs: Iterable[str | os.PathLike[str]]) -> dict[str, Path]:
    """Names files by their path in the given folder, without the ending if the name stays unique."""
    found = list(_files(inputs))
    short = [os.fspath(place.with_suffix("")) for place, _ in found]
    counts, named = Counter(short), dict[str, Path]()
    for name, (place, path) in zip(short, found, strict=True):
        name = name if counts[name] == 1 else os.fspath(place)
        while name in named:
            name += "_"
        named[name] = path
    return named


def _files(inputs: Iterable[str | os.PathLike[str]]) -> Iterator[tuple[Path, Path]]:
    for given in map(Path, inputs):
        if not given.is_dir():
            yield Path(given.name), given
            continue
        files = find_files(given)
        if not files:
            raise PointCloudError(given, "no point cloud or mesh file in this folder")
        yield from ((path.relative_to(given), path) for path in files)
