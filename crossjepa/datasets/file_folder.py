"""Folders of point and mesh files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossjepa.config import Axis
from crossjepa.datasets.collection import Collection, Item
from crossjepa.hashing import text_digest
from crossjepa.io import PointCloudError, find_files, read


class FileFolder(Collection):
    """The readable files in a folder and its subfolders, with their colors.

    Args:
        folder: the folder, or one file.
        up_axis: the axis that points up in the files.

    Raises:
        PointCloudError: there is no readable file.
    """

    def __init__(self, folder: str | os.PathLike[str], *, up_axis: Axis = "y") -> None:
        folder, self.up_axis = Path(folder), up_axis
        self.files = find_files(folder) if folder.is_dir() else [folder]
        if not self.files:
            raise PointCloudError(folder, "no point cloud or mesh file in this folder")
        root = folder if folder.is_dir() else folder.parent
        self.names = [path.relative_to(root).as_posix() for path in self.files]
        self.facts = self._facts(self.names)

    def __getitem__(self, row: int) -> Item:
        return Item(read(self.files[row], color=True), self.up_axis)

    def fingerprint(self, row: int) -> int:
        """Returns the size of a file."""
        path = self.files[row]
        return path.stat().st_size if path.exists() else 0

    def contents(self, prints: Sequence[int]) -> Mapping[str, Any]:
        """Returns the facts with the sizes of the files."""
        return self._facts(f"{name} {size}" for name, size in zip(self.names, prints, strict=True))

    def _facts(self, names: Iterable[str]) -> dict[str, Any]:
        return {"kind": "files", "up_axis": self.up_axis, "names": text_digest(names)}
