"""Existing renderings: the layouts of 3D-R2N2 (also CrossPoint's), of DISN, and our own.

V views, H x W pixels

| layout | pictures of an object |
|---|---|
| 3D-R2N2, CrossPoint | `<synset>/<model>/rendering/{00..23}.png`, `rendering_metadata.txt` |
| DISN | `image/<synset>/<model>/easy/{00..35}.png`, `rendering_metadata.txt` |
| `crossjepa render` | `<name>/{00..}.png`, `views.json`, `points.npy` |
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.datasets.cameras import OWN, R2N2, Layout, disn
from crossjepa.datasets.dataset import Dataset, Reader
from crossjepa.datasets.sample import Renderings, Sample, Sampling
from crossjepa.hashing import file_digest, file_fingerprint, text_digest
from crossjepa.io import PointCloudError, find_files, read

POINTS_NAME = "points.npy"
# Objects whose number of views is examined first.
ASKED = 25
_MODEL = re.compile(r"(?:^|/)(\d{8})[/-]([^/]+?)(?=/|\.[^/.]+$|$)")


@dataclass(frozen=True, eq=False)
class RenderingReader(Reader):
    """Reads objects, each with a folder of pictures and a file with its points or surface."""

    folders: tuple[Path, ...]
    layout: Layout
    shapes: tuple[Path, ...]
    views: int = 0

    def read(self, row: int) -> Sample:
        folder = self.folders[row]
        files, poses_V5 = self.read_cameras(row)
        images = [read_picture(folder / file) for file in files]
        if len({image.shape for image in images}) > 1:
            raise PointCloudError(folder, "its pictures have different sizes")
        return Sample(read(self.shapes[row]), str(folder), renderings=Renderings(np.stack(images), poses_V5))

    def read_cameras(self, row: int) -> tuple[list[str], NDArray[np.float32]]:
        """Reads the names of the pictures in the folder of an object, and their (V, 5) poses.

        Raises:
            PointCloudError: its table is damaged, or it has fewer or more views than most objects.
        """
        folder = self.folders[row]
        files, poses_V5 = self.layout.read(folder)
        if len(files) != self.views:
            raise PointCloudError(folder, f"{len(files)} views, most objects have {self.views}")
        return files, poses_V5

    def fingerprint(self, row: int) -> int:
        """Returns a number for the cameras, pictures and shape of an object, damaged ones as well."""
        folder = self.folders[row]
        try:
            sizes, files = file_sizes(folder), self.layout.read(folder)[0]
        except (PointCloudError, OSError):
            sizes, files = {}, []
        pictures = (f"{file} {sizes.get(file, 0)}" for file in files)
        try:
            table = file_digest(folder / self.layout.table)
        except OSError:
            table = ""
        content = [table, *pictures, file_fingerprint(self.shapes[row])]
        return int(text_digest(content), 16)

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        names = text_digest(dataset.names)
        return {"kind": self.layout.kind, "up_axis": dataset.up_axis, "names": names}

    def contents(self, dataset: Dataset, prints: Sequence[int]) -> dict[str, Any]:
        return {**self.facts(dataset), "content": text_digest(f"{number:016x}" for number in prints)}


def open_renderings(
    folder: str | os.PathLike[str],
    shapes: str | os.PathLike[str] | None = None,
    *,
    up_axis: Axis = "y",
    difficulty: str = "easy",
    skip_unpaired: bool = False,
) -> Dataset | None:
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
        The data set, None if the folder holds no renderings.

    Raises:
        ValueError: objects have no shape.
    """
    root = Path(folder)
    image = root / "image" if (root / "image").is_dir() else root
    for base, inner, layout in ((root, "rendering", R2N2), (image, difficulty, disn(difficulty))):
        found = {
            f"{path.parent.parent.parent.name}/{path.parent.parent.name}": path.parent
            for path in base.glob(f"*/*/{inner}/{layout.table}")
        }
        if found:
            return _dataset(found, layout, _pair(root, found, shapes, skip_unpaired), up_axis)
    # Hidden ones were left by a `crossjepa render` that was killed.
    own = {
        path.parent.relative_to(root).as_posix(): path.parent
        for path in root.rglob(OWN.table)
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    }
    if own:
        return _dataset(own, OWN, {name: path / POINTS_NAME for name, path in own.items()}, "y")
    return None


def _dataset(folders: dict[str, Path], layout: Layout, shapes: dict[str, Path], up_axis: Axis) -> Dataset:
    """Makes the data set of all objects that have a shape."""
    names = sorted(shapes)
    found, files = tuple(folders[name] for name in names), tuple(shapes[name] for name in names)
    return Dataset(
        name="renderings",
        layout=layout.kind,
        names=tuple(names),
        splits=("all",) * len(names),
        reader=RenderingReader(found, layout, files, _usual_views(found, layout)),
        files=files,
        up_axis=up_axis,
        sampling=Sampling(),
    )


def _usual_views(folders: Sequence[Path], layout: Layout) -> int:
    """Returns how many views most of some objects have; all are examined if none of those can be read."""
    count = len(folders)
    asked = np.linspace(0, count - 1, min(ASKED, count)).astype(int)
    for rows in (asked, range(count)):
        counts: Counter[int] = Counter()
        for row in rows:
            with suppress(PointCloudError):
                counts[len(layout.read(folders[row])[0])] += 1
        if counts:
            # On a tie the larger number: a table is more likely cut short than too long.
            return max(counts, key=lambda views: (counts[views], views))
    return len(layout.read(folders[0])[0])


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
    """Reads a picture, (H, W, 3) uint8, and puts it on white where it is transparent.

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


def file_sizes(folder: Path) -> dict[str, int]:
    """Returns the size of each file in a folder, by name."""
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat().st_size for entry in entries}
