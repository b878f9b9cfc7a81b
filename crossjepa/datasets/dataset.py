"""One type of sample, and one type of data set, for all sources.

n samples, N points
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.hashing import file_digest
from crossjepa.io import PointCloudError, validate_points

_SPLIT_NAMES = {"train": "train", "training": "train", "test": "test", "testing": "test", "val": "val",
                "valid": "val", "validation": "val"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sample:
    """One labeled cloud.

    Attributes:
        points_N3: (N, 3) float64 coordinates as in the file; of a mesh, points of its surface.
        label: number of its class.
        name: name of the object.
        split: "train", "test", "val", "fold0" and so on, or "all" where the source knows no splits.
        normals_N3: (N, 3) float64, None where the source has none.
        parts_N: (N,) int64 number of the part of every point, None where the source has none.
    """

    points_N3: NDArray[np.float64]
    label: int
    name: str
    split: str
    normals_N3: NDArray[np.float64] | None = None
    parts_N: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class RawShape:
    """What a reader found, not yet checked.

    Attributes:
        source: file, and place in it, for errors.
        points: (N, 3) or wider.
        normals: (N, 3).
        parts: (N,).
    """

    source: str
    points: NDArray[Any]
    normals: NDArray[Any] | None = None
    parts: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A labeled collection; points are read when a sample is asked for.

    `len`, indexing and iteration give `Sample`s, so torch's DataLoader takes it as it is.

    Attributes:
        name: registered name.
        layout: which of the published layouts was found.
        classes: names of the classes.
        labels_n: (n,) int64 numbers of classes.
        names: name of every object.
        splits: split of every object.
        read: returns the shape of a number of the whole data set.
        files: the files that it was read from.
        up_axis: the axis that points up in its coordinates.
        sampling: how points came from surfaces, "" where the files hold points.
        part_names: names of the parts, () where there are none.
        class_parts: numbers of the parts of every class.
        indices_n: (n,) int64 places of the samples in the whole data set.
    """

    name: str
    layout: str
    classes: tuple[str, ...]
    labels_n: NDArray[np.int64]
    names: tuple[str, ...]
    splits: tuple[str, ...]
    read: Callable[[int], RawShape]
    files: tuple[Path, ...]
    up_axis: Axis = "y"
    sampling: str = ""
    part_names: tuple[str, ...] = ()
    class_parts: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    indices_n: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _digests: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not len(self.indices_n) and len(self.labels_n):
            object.__setattr__(self, "indices_n", np.arange(len(self.labels_n)))
        if not len(self.labels_n) == len(self.names) == len(self.splits) == len(self.indices_n):
            raise ValueError(f"{self.name}: labels, names and splits differ in number")

    def __repr__(self) -> str:
        counts = ", ".join(f"{split} {self.splits.count(split)}" for split in self.split_names)
        return f"Dataset({self.name}, {self.layout}: {counts}; {len(self.classes)} classes)"

    def __len__(self) -> int:
        return len(self.labels_n)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        """Reads and checks one sample.

        Raises:
            IndexError: there is no such sample.
            PointCloudError: its file is damaged; the message names it and the reason.
        """
        place = range(len(self))[index]
        raw = self.read(int(self.indices_n[place]))
        points_N3 = validate_points(raw.points, raw.source)
        normals_N3 = None
        if raw.normals is not None:
            _same_length(raw.normals, points_N3, "normals", raw.source)
            normals_N3 = validate_points(raw.normals, f"{raw.source} (normals)")
        parts_N = None if raw.parts is None else self._check_parts(raw.parts, points_N3, raw.source)
        label = int(self.labels_n[place])
        return Sample(points_N3, label, self.names[place], self.splits[place], normals_N3, parts_N)

    @property
    def split_names(self) -> tuple[str, ...]:
        """Names of the splits, sorted."""
        return tuple(sorted(set(self.splits)))

    def where(self, *splits: str) -> NDArray[np.int64]:
        """Returns the (m,) places of the samples of some splits."""
        return np.flatnonzero(np.isin(np.array(self.splits, dtype=str), splits)).astype(np.int64)

    def select(self, places_m: Sequence[int] | NDArray[np.integer]) -> Dataset:
        """Returns the data set of only these samples, in this order."""
        chosen_m = np.asarray(places_m, np.int64)
        return replace(
            self,
            labels_n=self.labels_n[chosen_m],
            names=tuple(self.names[place] for place in chosen_m),
            splits=tuple(self.splits[place] for place in chosen_m),
            indices_n=self.indices_n[chosen_m],
        )

    def subset(self, *splits: str) -> Dataset:
        """Returns the samples of some splits.

        Raises:
            ValueError: the data set has none of that name.
        """
        missing = set(splits) - set(self.splits)
        if missing:
            raise ValueError(f"{self.name} has no split {sorted(missing)}, only {list(self.split_names)}")
        return self.select(self.where(*splits))

    def checksum(self) -> str:
        """Returns the SHA-256 of the one file, or of names and contents of several and the meshes' sampling.

        Subsets have the checksum of the whole; `indices_n` tells them apart.
        """
        if "all" not in self._digests:
            self._digests["all"] = _total_digest(self.files, self.sampling)
        return self._digests["all"]

    def _check_parts(
        self, parts: NDArray[Any], points_N3: NDArray[np.float64], source: str
    ) -> NDArray[np.int64]:
        _same_length(parts, points_N3, "part labels", source)
        return whole_numbers(parts, len(self.part_names), source, "part label")


def known_split(text: str) -> str | None:
    """Returns "train", "val" or "test" for the usual names of these splits, None for other texts."""
    return _SPLIT_NAMES.get(text.strip().lower())


def read_split(text: str, source: str | os.PathLike[str]) -> str:
    """Returns the name of a split as a file has it, "all" where it has none.

    Args:
        text: what the file says.
        source: file, for errors.

    Raises:
        PointCloudError: it is no split; a slip of the pen must not turn test clouds into training clouds.
    """
    name = text.strip().lower()
    split = known_split(name) or (name or "all" if re.fullmatch(r"(all)?|fold\d+", name) else None)
    if split is None:
        raise PointCloudError(source, f"split {text!r} is none of train, val, test, fold0, fold1 and so on")
    return split


def whole_numbers(values: NDArray[Any], limit: int, source: str, what: str) -> NDArray[np.int64]:
    """Checks labels.

    Args:
        values: (n,) or (n, 1) whole numbers; floating-point ones, as text files hold, may be whole too.
        limit: one more than the largest valid one.
        source: file, for errors.
        what: what to call them in an error.

    Returns:
        (n,) int64.

    Raises:
        PointCloudError: the shape is another, or a value is not a whole number from 0 to `limit` - 1.
    """
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1 or flat.dtype.kind not in "fiu":
        raise PointCloudError(
            source, f"expected {what}s of shape (n,) or (n, 1), not {values.dtype} {values.shape}"
        )
    with np.errstate(invalid="ignore"):
        wrong_n = ~((flat >= 0) & (flat < limit) & (flat == np.floor(flat)))
    if wrong_n.any():
        first = int(wrong_n.argmax())
        raise PointCloudError(source, f"{what} {flat[first]!s}, number {first}, is not from 0 to {limit - 1}")
    return flat.astype(np.int64)


def _total_digest(files: Sequence[Path], sampling: str) -> str:
    if len(files) == 1 and not sampling:
        return file_digest(files[0])
    root = Path(os.path.commonpath([path.absolute().parent for path in files]))
    names = sorted((path.absolute().relative_to(root).as_posix(), path) for path in files)
    total = hashlib.sha256(f"{sampling}\n".encode())
    for name, path in names:
        total.update(f"{name}\n{file_digest(path)}\n".encode())
    return total.hexdigest()


def _same_length(values: NDArray[Any], points_N3: NDArray[np.float64], what: str, source: str) -> None:
    if len(values) != len(points_N3):
        raise PointCloudError(source, f"{len(values)} {what} for {len(points_N3)} points")
