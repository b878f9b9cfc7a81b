"""Validation of a data set: every sample is read, and counts and checksums are compared with known ones."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crossjepa.datasets.catalog import Source, find_source
from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.detect import load, require
from crossjepa.datasets.fewshot import find_folds
from crossjepa.hashing import file_digest
from crossjepa.io import PointCloudError, PointCloudWarning

MAX_PROBLEMS = 20


@dataclass
class Check:
    """What was found.

    Attributes:
        name: the data set.
        layout: which of its layouts.
        classes: number of classes.
        parts: number of parts.
        counts: samples of every split.
        points: smallest and largest number of points.
        checksum: SHA-256, see `Dataset.checksum`.
        verified: files whose published checksum agrees.
        problems: what is wrong, at most `MAX_PROBLEMS`.
    """

    name: str
    layout: str
    classes: int
    parts: int
    counts: dict[str, int]
    checksum: str
    points: tuple[int, int] = (0, 0)
    verified: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        """Whether it is complete and nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {**asdict(self), "is_valid": self.is_valid}


def check(name: str, path: str | os.PathLike[str]) -> list[Check]:
    """Verifies a data set.

    Args:
        name: one of `list_datasets()`.
        path: its folder or file.

    Returns:
        What was found; one per fold of a folder of few-shot splits, otherwise one.

    Raises:
        ValueError: the name is unknown.
        DatasetNotFoundError: there is nothing at the path.
        PointCloudError: it cannot be read at all.
    """
    source, place = find_source(name), Path(path)
    require(source, place)
    is_folds = name == "modelnet40-fewshot"
    paths = [file for files in find_folds(place).values() for file in files] if is_folds else [place]
    return [check_loaded(load(name, file), source) for file in paths]


def check_loaded(dataset: Dataset, source: Source) -> Check:
    """Verifies a data set that has been opened."""
    result = Check(
        name=dataset.name,
        layout=dataset.layout,
        classes=len(dataset.classes),
        parts=len(dataset.part_names),
        counts=dict(sorted(Counter(dataset.splits).items())),
        checksum=dataset.checksum(),
    )
    if source.num_classes not in (None, result.classes):
        result.problems.append(f"{result.classes} classes, expected {source.num_classes}")
    for split, counts in source.counts.items():
        found = result.counts.get(split, 0)
        if found not in counts:
            expected = " or ".join(f"{count:,}" for count in counts)
            result.problems.append(f"{found:,} samples in split {split}, expected {expected}")
    for path in dataset.files:
        digest = source.md5.get(path.name)
        if digest and file_digest(path, "md5") == digest:
            result.verified += 1
        elif digest:
            result.problems.append(f"{path}: not the published file (its MD5 should be {digest})")
    read = [_count_points(dataset, index) for index in range(len(dataset))]
    result.problems += [problem for problem in read if isinstance(problem, str)]
    sizes = [size for size in read if isinstance(size, int)]
    if sizes:
        result.points = (min(sizes), max(sizes))
    del result.problems[MAX_PROBLEMS:]
    return result


def _count_points(dataset: Dataset, index: int) -> int | str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PointCloudWarning)
        try:
            count = len(dataset[index].points_N3)
        except PointCloudError as error:
            return str(error)
    suspect = [str(each.message) for each in caught if issubclass(each.category, PointCloudWarning)]
    return suspect[0] if suspect else count
