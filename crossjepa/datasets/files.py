"""Data sets with a file for every shape; the files are read when they are asked for.

n samples
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossjepa.config import Axis
from crossjepa.datasets.dataset import Dataset, Reader
from crossjepa.datasets.sample import Sample, Sampling
from crossjepa.hashing import text_digest
from crossjepa.io import PointCloudError, read


@dataclass(frozen=True)
class Entry:
    """A shape with a file of its own."""

    path: Path
    label: int
    split: str
    name: str


@dataclass(frozen=True, eq=False)
class FileReader(Reader):
    """Reads a file for every shape.

    Attributes:
        paths: the files.
        parse: reads a layout's own format; None for all that `crossjepa.io.read` reads.
        color: whether to read colors as well, which only renderings need.
    """

    paths: tuple[Path, ...]
    parse: Callable[[Path], Sample] | None = None
    color: bool = False

    def read(self, row: int) -> Sample:
        path = self.paths[row]
        return self.parse(path) if self.parse else Sample(read(path, color=self.color), str(path))

    def fingerprint(self, row: int) -> int:
        """Returns the size of the file, 0 if there is none."""
        path = self.paths[row]
        return path.stat().st_size if path.exists() else 0

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        return self._named(dataset, dataset.names)

    def contents(self, dataset: Dataset, prints: Sequence[int]) -> dict[str, Any]:
        sizes = zip(dataset.names, prints, strict=True)
        return self._named(dataset, (f"{name} {size}" for name, size in sizes))

    def _named(self, dataset: Dataset, names: Iterable[str]) -> dict[str, Any]:
        without = {} if self.color else {"color": False}
        return {"kind": "files", **without, "up_axis": dataset.up_axis, "names": text_digest(names)}


def from_files(
    name: str,
    layout: str,
    classes: Sequence[str],
    entries: Sequence[Entry],
    parse: Callable[[Path], Sample] | None = None,
    *,
    listed_in: Path | None = None,
    up_axis: Axis = "y",
    sampling: Sampling | None = None,
    part_names: Sequence[str] = (),
    class_parts: Mapping[int, tuple[int, ...]] | None = None,
    other_files: Iterable[Path] = (),
) -> Dataset:
    """Makes a labeled data set with a file for every shape.

    Args:
        name: registered name.
        layout: which layout was found.
        classes: names of the classes.
        entries: the files.
        parse: reads one; by default as `crossjepa.io.read` does.
        listed_in: the list that names the files, for errors.
        up_axis: the axis that points up.
        sampling: how points of meshes are sampled.
        part_names: names of the parts.
        class_parts: numbers of the parts of every class.
        other_files: lists and the like, which count for the checksum.

    Raises:
        PointCloudError: there is no file, or one of them is missing.
    """
    place = listed_in or Path(layout)
    if not entries:
        raise PointCloudError(place, "names no shape")
    missing = [entry.path for entry in entries if not entry.path.is_file()]
    if missing:
        raise PointCloudError(
            missing[0], f"no such file; {len(missing)} of {len(entries)} named in {place} are missing"
        )
    paths = tuple(entry.path for entry in entries)
    return Dataset(
        name=name,
        layout=layout,
        names=tuple(entry.name for entry in entries),
        splits=tuple(entry.split for entry in entries),
        reader=FileReader(paths, parse),
        files=(*paths, *other_files),
        labels=np.array([entry.label for entry in entries], np.int64),
        classes=tuple(classes),
        up_axis=up_axis,
        sampling=sampling,
        part_names=tuple(part_names),
        class_parts=class_parts or {},
    )


def read_lines(path: Path) -> list[str]:
    """Reads a list file: a stripped entry for every line that is not empty.

    Raises:
        PointCloudError: it is missing, is not text, or is empty.
    """
    if not path.is_file():
        raise PointCloudError(path, "no such file")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise PointCloudError(path, f"not a text file (byte {error.start} is not UTF-8)") from error
    except OSError as error:
        raise PointCloudError(path, f"cannot be read ({error.strerror or error})") from error
    entries = [line.strip() for line in lines if line.strip()]
    if not entries:
        raise PointCloudError(path, "is empty")
    return entries
