"""Data sets whose shapes were read into memory, a block for every file.

n samples, N points
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.datasets.dataset import Dataset, Reader
from crossjepa.datasets.sample import Sample, cloud_sample, whole_numbers
from crossjepa.io import PointCloudError
from crossjepa.io.shapes import check_orientation


@dataclass(frozen=True, eq=False)
class Block:
    """The shapes of one file.

    Attributes:
        file: the file.
        splits: split of every shape, or one for all.
        points: (n, N, 3) or wider, or a list of (N_i, 3) or wider.
        labels: (n,) or (n, 1), None if the shapes are unlabeled.
        names: name of every shape; file and row by default.
        normals: (n, N, 3) or a list.
        parts: (n, N) or a list.
    """

    file: Path
    splits: str | Sequence[str]
    points: Sequence[NDArray[Any]] | NDArray[Any]
    labels: NDArray[Any] | None = None
    names: Sequence[str] | None = None
    normals: Sequence[NDArray[Any]] | NDArray[Any] | None = None
    parts: Sequence[NDArray[Any]] | NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.points, np.ndarray) and (self.points.ndim != 3 or self.points.shape[2] < 3):
            raise PointCloudError(
                self.file, f"expected points of shape (n, N, 3) or wider, not {self.points.shape}"
            )
        if isinstance(self.points, np.ndarray):
            check_orientation(self.points.shape, str(self.file))
        count = len(self.points)
        if not isinstance(self.splits, str) and len(self.splits) != count:
            raise PointCloudError(self.file, f"{len(self.splits)} splits for {count} shapes")
        for what in ("labels", "names", "normals", "parts"):
            values = getattr(self, what)
            if values is not None and len(values) != count:
                raise PointCloudError(self.file, f"{len(values)} {what} for {count} shapes")


@dataclass(frozen=True, eq=False)
class ArrayReader(Reader):
    """Reads shapes out of blocks, one block after the other."""

    blocks: tuple[Block, ...]
    num_parts: int = 0

    @property
    def num_points(self) -> int:
        """Points of each object if all have the same number, else 0."""
        sizes = {
            block.points.shape[1] if isinstance(block.points, np.ndarray) else 0 for block in self.blocks
        }
        return sizes.pop() if len(sizes) == 1 else 0

    def read(self, row: int) -> Sample:
        for block in self.blocks:
            if row < len(block.points):
                break
            row -= len(block.points)
        return cloud_sample(
            f"{block.file}[{row}]",
            np.asarray(block.points[row]),
            None if block.normals is None else np.asarray(block.normals[row]),
            None if block.parts is None else np.asarray(block.parts[row]),
            self.num_parts,
        )


def from_blocks(
    name: str,
    layout: str,
    classes: Sequence[str],
    blocks: Sequence[Block],
    *,
    up_axis: Axis = "y",
    part_names: Sequence[str] = (),
    other_files: Iterable[Path] = (),
) -> Dataset:
    """Makes a data set of files that were read into memory.

    Args:
        name, layout, classes, up_axis, part_names: as in `Dataset`.
        blocks: the files, all labeled or all unlabeled.
        other_files: lists and the like, which count for the checksum.

    Raises:
        PointCloudError: a label is not the number of a class; the message names the file.
    """
    labels = [
        whole_numbers(block.labels, len(classes), str(block.file), "label")
        for block in blocks
        if block.labels is not None
    ]
    names: list[str] = []
    splits: list[str] = []
    for block in blocks:
        count = len(block.points)
        names += block.names or [f"{block.file.stem}#{row}" for row in range(count)]
        splits += [block.splits] * count if isinstance(block.splits, str) else block.splits
    return Dataset(
        name=name,
        layout=layout,
        names=tuple(names),
        splits=tuple(splits),
        reader=ArrayReader(tuple(blocks), len(part_names)),
        files=(*(block.file for block in blocks), *other_files),
        labels=np.concatenate(labels) if labels else None,
        classes=tuple(classes),
        up_axis=up_axis,
        part_names=tuple(part_names),
    )
