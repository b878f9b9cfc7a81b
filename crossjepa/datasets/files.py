"""Data sets with a file for every shape; the files are read when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossjepa.datasets.dataset import Dataset, Reader
from crossjepa.datasets.sample import Sample, Sampling
from crossjepa.hashing import text_digest
from crossjepa.io import PointCloudError, read
from crossjepa.io.text import read_text_file


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
        without = {} if self.color else {"color": False}
        names = text_digest(dataset.names)
        return {"kind": "files", **without, "up_axis": dataset.up_axis, "names": names}

    def contents(self, dataset: Dataset, prints: Sequence[int]) -> dict[str, Any]:
        sizes = zip(dataset.names, prints, strict=True)
        return {**self.facts(dataset), "names": text_digest(f"{name} {size}" for name, size in sizes)}


def from_files(
    name: str,
    layout: str,
    classes: Sequence[str],
    entries: Sequence[Entry],
    parse: Callable[[Path], Sample] | None = None,
    *,
    listed_in: Path | None = None,
    sampling: Sampling | None = None,
    part_names: Sequence[str] = (),
    other_files: Iterable[Path] = (),
) -> Dataset:
    """Makes a labeled data set with a file for every shape.

    Args:
        name, layout, classes, sampling, part_names: as in `Dataset`.
        entries: the files.
        parse: reads one; by default as `crossjepa.io.read` does.
        listed_in: the list that names the files, for errors.
        other_files: lists and the like, which count for the checksum.

    Raises:
        PointCloudError: there is no file, or one of them is missing.
    """
    place, paths = listed_in or Path(layout), tuple(entry.path for entry in entries)
    if not paths:
        raise PointCloudError(place, "names no shape")
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise PointCloudError(
            missing[0], f"no such file; {len(missing)} of {len(paths)} named in {place} are missing"
        )
    return Dataset(
        name=name,
        layout=layout,
        names=tuple(entry.name for entry in entries),
        splits=tuple(entry.split for entry in entries),
        reader=FileReader(paths, parse),
        files=(*paths, *other_files),
        labels=np.array([entry.label for entry in entries], np.int64),
        classes=tuple(classes),
        sampling=sampling,
        part_names=tuple(part_names),
    )


def read_lines(path: Path) -> list[str]:
    """Reads a list file: a stripped entry for every line that is not empty.

    Raises:
        PointCloudError: it is missing, is not text, or is empty.
    """
    entries = [line.strip() for line in read_text_file(path).splitlines() if line.strip()]
    if not entries:
        raise PointCloudError(path, "is empty")
    return entries


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        PointCloudError: it is missing or is not JSON.
    """
    text = read_text_file(path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise PointCloudError(path, f"not JSON ({error})") from error
