"""One type of data set for all sources: labeled or not, clouds or meshes, with renderings or without.

n samples
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.datasets.sample import Sample, Sampling
from crossjepa.hashing import file_digest, text_digest

THREADS = 8


class Reader(ABC):
    """Where the samples of a data set come from: one small class for each way to store shapes.

    Readers are pickled for the processes that make a cache.
    """

    @property
    def views(self) -> int:
        """Pictures of each object if they exist, else 0."""
        return 0

    @property
    def num_points(self) -> int:
        """Points of each object if all have the same number, else 0."""
        return 0

    @abstractmethod
    def read(self, row: int) -> Sample:
        """Reads what is stored of one object; `Dataset` adds name, split, label and axis.

        Raises:
            PointCloudError: it cannot be used; the message names its file, the row in it, and the reason.
        """

    def fingerprint(self, row: int) -> int:
        """Returns a number below 2^64 that changes with the file of an object, 0 if `facts` are enough.

        It is computed for every object whenever a cache is resumed, so it must be cheap.
        """
        return 0

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        """Returns, as plain values, what identifies the samples of a data set in the recipe of a cache.

        Of files that can be repaired one by one, this is their names but not their content.
        """
        return {
            "kind": "clouds",
            "file": dataset.files[0].name if len(dataset.files) == 1 else dataset.name,
            "sha256": dataset.checksum(),
            "split": dataset.selection,
            "up_axis": dataset.up_axis,
            "names": text_digest(dataset.names),
        }

    def contents(self, dataset: Dataset, prints: Sequence[int]) -> dict[str, Any]:
        """Returns `facts` of a finished cache: also what is in the files, by their fingerprints."""
        return self.facts(dataset)

    def checksum(self, dataset: Dataset) -> str:
        """Returns what `Dataset.checksum` keeps."""
        files, sampling = dataset.files, dataset.sampling
        if len(files) == 1 and sampling is None:
            return file_digest(files[0])
        root = Path(os.path.commonpath([path.absolute().parent for path in files]))
        named = sorted((path.absolute().relative_to(root).as_posix(), path) for path in files)
        total = hashlib.sha256(f"{sampling or ''}\n".encode())
        for name, path in named:
            total.update(f"{name}\n{file_digest(path)}\n".encode(errors="surrogatepass"))
        return total.hexdigest()


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A collection of objects; each is read when it is asked for.

    `len`, indexing and iteration give `Sample`s, so torch's DataLoader takes it as it is; so do evaluation,
    fine-tuning and `crossjepa.train.cache.make_cache`.

    Attributes:
        name: registered name.
        layout: which of the published layouts was found.
        names: name of every object.
        splits: split of every object.
        reader: reads an object, given its row in the complete data set.
        files: the files that it was read from.
        labels: (n,) int64 numbers of classes, None if the objects are unlabeled.
        classes: names of the classes.
        up_axis: the axis that points up in its coordinates.
        sampling: how points of meshes are sampled, None if the files hold points.
        part_names: names of the parts, () if there are none.
        class_parts: numbers of the parts of every class, by default those named "Class/part".
        groups: group of every object, () if nothing is known; those of one group, such as scans of one thing,
            must not be divided between training and test.
        indices_n: (n,) int64 rows of the samples in the complete data set.
        selection: "all", or which samples of the complete data set these are: splits, or a digest of rows.
    """

    name: str
    layout: str
    names: tuple[str, ...]
    splits: tuple[str, ...]
    reader: Reader
    files: tuple[Path, ...]
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    up_axis: Axis = "y"
    sampling: Sampling | None = None
    part_names: tuple[str, ...] = ()
    class_parts: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    indices_n: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    selection: str = "all"
    _digests: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.indices_n) and self.names:
            object.__setattr__(self, "indices_n", np.arange(len(self.names)))
        if self.part_names and not self.class_parts:
            known: dict[int, tuple[int, ...]] = {}
            for number, shape in enumerate(self.classes):
                parts = [part for part, name in enumerate(self.part_names) if name.startswith(f"{shape}/")]
                known |= {number: tuple(parts)} if parts else {}
            object.__setattr__(self, "class_parts", known)
        lengths = {len(self.names), len(self.splits), len(self.indices_n), len(self.groups or self.names)}
        if len(lengths | ({len(self.labels)} if self.labels is not None else set())) > 1:
            raise ValueError(f"{self.name}: labels, names, splits and groups differ in number")

    def __repr__(self) -> str:
        counts = ", ".join(f"{split} {self.splits.count(split)}" for split in self.split_names)
        classes = "unlabeled" if self.labels is None else f"{len(self.classes)} classes"
        return f"Dataset({self.name}, {self.layout}: {counts}; {classes})"

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        """Reads and validates one sample.

        Raises:
            IndexError: there is no such sample.
            PointCloudError: its file is damaged; the message names it and the reason.
        """
        place = range(len(self))[index]
        return replace(
            self.reader.read(int(self.indices_n[place])),
            name=self.names[place],
            split=self.splits[place],
            label=None if self.labels is None else int(self.labels[place]),
            up_axis=self.up_axis,
            sampling=self.sampling or Sampling(),
        )

    @property
    def labels_n(self) -> NDArray[np.int64]:
        """(n,) int64 numbers of classes.

        Raises:
            ValueError: the data set is unlabeled.
        """
        if self.labels is None:
            raise ValueError(f"{self.name} ({self.layout}) has no labels")
        return self.labels

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
        rows_m = self.indices_n[chosen_m]
        return replace(
            self,
            names=tuple(self.names[place] for place in chosen_m),
            splits=tuple(self.splits[place] for place in chosen_m),
            labels=None if self.labels is None else self.labels[chosen_m],
            groups=tuple(self.groups[place] for place in chosen_m) if self.groups else (),
            indices_n=rows_m,
            selection="rows " + hashlib.sha256(rows_m.astype("<i8").tobytes()).hexdigest()[:16],
        )

    def subset(self, *splits: str) -> Dataset:
        """Returns the samples of some splits.

        Raises:
            ValueError: the data set has none of that name.
        """
        missing = set(splits) - set(self.splits)
        if missing:
            raise ValueError(f"{self.name} has no split {sorted(missing)}, only {list(self.split_names)}")
        chosen = self.select(self.where(*splits))
        return replace(chosen, selection="+".join(splits)) if self.selection == "all" else chosen

    def keep_classes(self, kept: Sequence[int] | NDArray[np.integer]) -> Dataset:
        """Returns the samples of some classes, which are numbered anew in the given order."""
        numbers = {int(old): new for new, old in enumerate(kept)}
        chosen = self.select(np.flatnonzero(np.isin(self.labels_n, list(numbers))))
        return replace(
            chosen,
            labels=np.array([numbers[old] for old in chosen.labels_n.tolist()], np.int64),
            classes=tuple(self.classes[old] for old in numbers),
            class_parts={numbers[old]: self.class_parts[old] for old in numbers if old in self.class_parts},
        )

    def checksum(self) -> str:
        """Returns the SHA-256 of the one file, or of names and contents of several and the meshes' sampling.

        Subsets have the checksum of the complete data set; `indices_n` tells them apart.
        """
        if "sha256" not in self._digests:
            self._digests["sha256"] = self.reader.checksum(self)
        return self._digests["sha256"]

    @property
    def views(self) -> int:
        """Pictures of each object if they exist, else 0."""
        return self.reader.views

    @property
    def num_points(self) -> int:
        """Points of each object if all have the same number, else 0."""
        return self.reader.num_points

    def facts(self) -> dict[str, Any]:
        """Returns what identifies these samples in the recipe of a cache, see `Reader.facts`."""
        return self.reader.facts(self)

    def contents(self, prints: Sequence[int]) -> dict[str, Any]:
        """Returns `facts` and what is in the files, given their `fingerprints`, see `Reader.contents`."""
        return self.reader.contents(self, prints)

    def fingerprint(self, place: int) -> int:
        """Returns the fingerprint of the file of a sample, see `Reader.fingerprint`."""
        return self.reader.fingerprint(int(self.indices_n[place]))

    def fingerprints(self) -> list[int]:
        """Returns the `fingerprint` of every sample; several files are examined at a time."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self.fingerprint, range(len(self))))
