"""Validation of a tree of renderings before hours are spent on it.

V views
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from crossjepa.datasets.dataset import THREADS, Dataset
from crossjepa.datasets.renderings import RenderingReader, file_sizes, read_picture
from crossjepa.io import PointCloudError, read


@dataclass(frozen=True)
class TreeReport:
    """What was found in a tree of renderings.

    Attributes:
        kind: name of the layout.
        objects: objects with pictures.
        views: pictures of an object.
        gigabytes: size of all pictures.
        problems: one line per unusable object, with its file and the reason.
    """

    kind: str
    objects: int
    views: int
    gigabytes: float
    problems: tuple[str, ...]

    def __str__(self) -> str:
        shown = "".join(f"\n             {problem}" for problem in self.problems[:5])
        state = f"{len(self.problems)} objects cannot be used:{shown}" if self.problems else "all usable"
        return (
            f"renderings   {self.kind}, {self.objects:,} objects x {self.views} views, "
            f"{self.gigabytes:.1f} GB; {state}"
        )


def check_renderings(dataset: Dataset, *, progress: bool = False) -> TreeReport:
    """Checks every object of a tree of renderings.

    Its table of cameras is read, all its pictures must exist and not be empty, and its first picture and its
    shape are read completely. (Reading every picture of ShapeNet takes as long as caching it.)

    Args:
        dataset: renderings, paired with shapes, as `open_renderings` returns them.
        progress: show a progress bar.

    Raises:
        ValueError: the data set has no renderings.
    """
    from tqdm.auto import tqdm

    reader = dataset.reader
    if not isinstance(reader, RenderingReader):
        raise ValueError(f"{dataset.name} has no renderings")
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda row: _check_object(reader, int(row)), dataset.indices_n)
        bar = tqdm(found, "check", len(dataset), unit="object", disable=not progress, file=sys.stderr)
        results = list(bar)
    return TreeReport(
        kind=reader.layout.kind,
        objects=len(dataset),
        views=dataset.views,
        gigabytes=sum(size for size, _ in results) / 1e9,
        problems=tuple(problem for _, problem in results if problem),
    )


def _check_object(reader: RenderingReader, row: int) -> tuple[int, str]:
    """Returns the bytes of an object's pictures, and what is wrong with it."""
    folder = reader.folders[row]
    try:
        files, sizes = reader.read_cameras(row)[0], file_sizes(folder)
        for file in files:
            if not sizes.get(file):
                raise PointCloudError(folder / file, "empty" if file in sizes else "no such file")
        read_picture(folder / files[0])
        read(reader.shapes[row])
    except (PointCloudError, OSError) as error:
        return 0, str(error)
    return sum(sizes[file] for file in files), ""
