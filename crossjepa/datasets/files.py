"""Data sets whose shapes lie in memory, and data sets of a file a shape.

n samples, N points
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.datasets.dataset import Dataset, RawShape, whole_numbers
from crossjepa.io import Mesh, PointCloudError, read
from crossjepa.ops.mesh_sampling import sample_surface


@dataclass(frozen=True, eq=False)
class Block:
    """The shapes of one file.

    Attributes:
        file: the file.
        splits: split of every shape, or one for all.
        points: (n, N, 3) or wider, or a list of (N_i, 3) or wider.
        labels: (n,) or (n, 1).
        names: name of every shape; file and row by default.
        normals: (n, N, 3) or a list.
        parts: (n, N) or a list.
    """

    file: Path
    splits: str | Sequence[str]
    points: Sequence[NDArray[Any]] | NDArray[Any]
    labels: NDArray[Any]
    names: Sequence[str] | None = None
    normals: Sequence[NDArray[Any]] | NDArray[Any] | None = None
    parts: Sequence[NDArray[Any]] | NDArray[Any] | None = None

    def __post_init__(self) -> None:
        count = len(self.points)
        if isinstance(self.points, np.ndarray) and (self.points.ndim != 3 or self.points.shape[2] < 3):
            raise PointCloudError(
                self.file, f"expected points of shape (n, N, 3) or wider, not {self.points.shape}"
            )
        for what in ("labels", "names", "normals", "parts"):
            values = getattr(self, what)
            if values is not None and len(values) != count:
                raise PointCloudError(self.file, f"{len(values)} {what} for {count} shapes")

    def shape(self, row: int) -> RawShape:
        """Returns one shape."""
        return RawShape(
            f"{self.file}[{row}]",
            np.asarray(self.points[row]),
            None if self.normals is None else np.asarray(self.normals[row]),
            None if self.parts is None else np.asarray(self.parts[row]),
        )


def from_blocks(
    name: str,
    layout: str,
    classes: Sequence[str],
    blocks: Sequence[Block],
    *,
    up_axis: Axis = "y",
    part_names: Sequence[str] = (),
    class_parts: Mapping[int, tuple[int, ...]] | None = None,
    other_files: Iterable[Path] = (),
) -> Dataset:
    """Makes a data set of files that were read into memory.

    Args:
        name: registered name.
        layout: which layout was found.
        classes: names of the classes.
        blocks: the files.
        up_axis: the axis that points up.
        part_names: names of the parts.
        class_parts: numbers of the parts of every class.
        other_files: lists and the like, which count for the checksum.

    Raises:
        PointCloudError: a label is no number of a class; the message names the file.
    """
    labels = [whole_numbers(block.labels, len(classes), str(block.file), "label") for block in blocks]
    counts = [len(part) for part in labels]
    starts = np.cumsum([0, *counts])

    def read_shape(index: int) -> RawShape:
        which = int(np.searchsorted(starts, index, side="right")) - 1
        return blocks[which].shape(index - int(starts[which]))

    names: list[str] = []
    splits: list[str] = []
    for block, count in zip(blocks, counts, strict=True):
        names += block.names or [f"{block.file.stem}#{row}" for row in range(count)]
        splits += [block.splits] * count if isinstance(block.splits, str) else block.splits
    return Dataset(
        name=name,
        layout=layout,
        classes=tuple(classes),
        labels_n=np.concatenate(labels) if labels else np.zeros(0, np.int64),
        names=tuple(names),
        splits=tuple(splits),
        read=read_shape,
        files=(*(block.file for block in blocks), *other_files),
        up_axis=up_axis,
        part_names=tuple(part_names),
        class_parts=class_parts or {},
    )


@dataclass(frozen=True)
class Entry:
    """A shape with a file of its own."""

    path: Path
    label: int
    split: str
    name: str


def from_files(
    name: str,
    layout: str,
    classes: Sequence[str],
    entries: Sequence[Entry],
    read_file: Callable[[Path], RawShape],
    *,
    listed_in: Path | None = None,
    up_axis: Axis = "y",
    sampling: str = "",
    part_names: Sequence[str] = (),
    class_parts: Mapping[int, tuple[int, ...]] | None = None,
    other_files: Iterable[Path] = (),
) -> Dataset:
    """Makes a data set of a file a shape; the files are read when they are asked for.

    Args:
        name: registered name.
        layout: which layout was found.
        classes: names of the classes.
        entries: the files.
        read_file: reads one.
        listed_in: the list that names the files, for errors.
        up_axis: the axis that points up.
        sampling: how points come from surfaces.
        part_names: names of the parts.
        class_parts: numbers of the parts of every class.
        other_files: lists and the like, which count for the checksum.

    Raises:
        PointCloudError: there is no file, or one of them is not there.
    """
    place = listed_in or Path(layout)
    if not entries:
        raise PointCloudError(place, "names no shape")
    missing = [entry.path for entry in entries if not entry.path.is_file()]
    if missing:
        raise PointCloudError(
            missing[0], f"no such file; {len(missing)} of {len(entries)} named in {place} are missing"
        )
    return Dataset(
        name=name,
        layout=layout,
        classes=tuple(classes),
        labels_n=np.array([entry.label for entry in entries], np.int64),
        names=tuple(entry.name for entry in entries),
        splits=tuple(entry.split for entry in entries),
        read=lambda index: read_file(entries[index].path),
        files=(*(entry.path for entry in entries), *other_files),
        up_axis=up_axis,
        sampling=sampling,
        part_names=tuple(part_names),
        class_parts=class_parts or {},
    )


def sampling_rule(num_points: int, seed: int) -> str:
    """Says how `read_surface` samples, as part of the checksum."""
    return f"{num_points} points of a mesh, uniform by area, seed {seed}"


def read_surface(path: str | os.PathLike[str], num_points: int, seed: int) -> RawShape:
    """Reads the points of a cloud, or samples a mesh exactly as `encode` does with the same number and seed.

    Args:
        path: any file that `crossjepa.io` reads.
        num_points: points of a mesh.
        seed: seed of their sampling.

    Raises:
        PointCloudError: the file cannot be used.
    """
    shape = read(path)
    if not isinstance(shape, Mesh):
        return RawShape(str(path), shape.points_N3)
    generator = np.random.default_rng(seed)
    points_N3, _ = sample_surface(shape.vertices_V3, shape.faces_F3, num_points, generator)
    return RawShape(str(path), points_N3)


def read_lines(path: Path) -> list[str]:
    """Reads a list file: a stripped entry for every line that is not empty.

    Raises:
        PointCloudError: it is not there, is not text, or is empty.
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
