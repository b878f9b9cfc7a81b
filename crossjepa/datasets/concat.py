"""Several data sets, one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from crossjepa.datasets.dataset import Dataset, Reader
from crossjepa.datasets.sample import Sample
from crossjepa.hashing import text_digest


@dataclass(frozen=True, eq=False)
class ConcatReader(Reader):
    """Reads from the data set to which a row belongs."""

    parts: tuple[Dataset, ...]
    same_parts: bool  # of objects

    @property
    def starts(self) -> list[int]:
        """The first row of each data set, and the number of all rows."""
        return [0, *accumulate(len(part) for part in self.parts)]

    @property
    def views(self) -> int:
        return self.parts[0].views

    @property
    def num_points(self) -> int:
        numbers = {part.num_points for part in self.parts}
        return 0 if 0 in numbers else max(numbers)

    def read(self, row: int) -> Sample:
        part, own = self._place(row)
        sample = part[own]
        return sample if self.same_parts else replace(sample, parts_N=None)

    def fingerprint(self, row: int) -> int:
        part, own = self._place(row)
        return part.fingerprint(own)

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        facts = {"parts": [part.facts() for part in self.parts]}
        return facts if dataset.selection == "all" else {**facts, "rows": dataset.selection}

    def contents(self, dataset: Dataset, prints: Sequence[int]) -> dict[str, Any]:
        if dataset.selection != "all":
            return {**self.facts(dataset), "content": text_digest(f"{number:016x}" for number in prints)}
        spans = zip(self.parts, pairwise(self.starts), strict=True)
        return {"parts": [part.contents(prints[first:last]) for part, (first, last) in spans]}

    def checksum(self, dataset: Dataset) -> str:
        return hashlib.sha256("".join(part.checksum() for part in self.parts).encode()).hexdigest()

    def _place(self, row: int) -> tuple[Dataset, int]:
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.parts[number], row - self.starts[number]


def concat(parts: Sequence[Dataset]) -> Dataset:
    """Puts data sets one after the other; a single one is returned as it is.

    Args:
        parts: data sets with the same axis up. The result is labeled if all are labeled by the same classes,
            and has part labels if all have the same parts; otherwise it has none.

    Raises:
        ValueError: there is none, or their axes or numbers of views differ.
    """
    if not parts:
        raise ValueError("give at least one data set")
    first = parts[0]
    if len(parts) == 1:
        return first
    for what, found in (
        ("axes that point up", {part.up_axis for part in parts}),
        ("views per object", {part.views for part in parts}),
    ):
        if len(found) > 1:
            raise ValueError(
                f"data sets with different {what} cannot be put together: {sorted(map(str, found))}"
            )
    labels = [part.labels for part in parts if part.labels is not None and part.classes == first.classes]
    labeled = len(labels) == len(parts)
    same_parts = labeled and all(part.part_names == first.part_names for part in parts)
    return Dataset(
        name="+".join(part.name for part in parts),
        layout="several",
        names=tuple(name for part in parts for name in part.names),
        splits=tuple(split for part in parts for split in part.splits),
        reader=ConcatReader(tuple(parts), same_parts),
        files=tuple(file for part in parts for file in part.files),
        labels=np.concatenate(labels) if labeled else None,
        classes=first.classes if labeled else (),
        up_axis=first.up_axis,
        sampling=first.sampling,
        part_names=first.part_names if same_parts else (),
        class_parts=first.class_parts if same_parts else {},
    )
