"""Clouds in one npz: `points`, `labels`, and what else is known of them.

n samples, N points
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.datasets.dataset import Dataset, read_split
from crossjepa.datasets.files import Block, from_blocks
from crossjepa.io import PointCloudError

_TEXTS, _NUMBERS = ("split", "names", "classes", "part_names"), ("points", "labels", "normals", "part_labels")
# Measured coordinates compress a few times; zeros, of which bombs are made, about a thousand times.
_MAX_COMPRESSION, _SMALL = 100, 1 << 24


def load_arrays(name: str, path: Path, up_axis: Axis = "y") -> Dataset:
    """Reads `points` (n, N, 3) and `labels` (n,); with them `normals` (n, N, 3) and `part_labels` (n, N).

    Texts, where they are there: `split` and `names` (n,), `classes` and `part_names` by number. A part called
    "Class/part" belongs to that class.

    Args:
        name: registered name.
        path: the npz file.
        up_axis: the axis that points up.

    Raises:
        PointCloudError: the file is missing or damaged, or an array does not fit; the message names it.
    """
    arrays = read_arrays(path)
    labels = arrays["labels"]
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise PointCloudError(
            path, f"'labels' must be whole numbers of shape (n,), not {labels.dtype} {labels.shape}"
        )
    highest = int(labels.max()) if len(labels) else -1
    classes = _texts(arrays, "classes") or [str(number) for number in range(highest + 1)]
    part_names = _part_names(arrays)
    splits = _texts(arrays, "split")
    block = Block(
        path,
        [read_split(split, path) for split in splits] if splits else "all",
        arrays["points"],
        labels,
        _texts(arrays, "names"),
        arrays.get("normals"),
        arrays.get("part_labels"),
    )
    if not isinstance(block.splits, str) and len(block.splits) != len(labels):
        raise PointCloudError(path, f"{len(block.splits)} splits for {len(labels)} shapes")
    return from_blocks(
        name,
        "npz",
        classes,
        [block],
        up_axis=up_axis,
        part_names=part_names,
        class_parts=parts_by_prefix(classes, part_names),
    )


def parts_by_prefix(classes: Sequence[str], part_names: Sequence[str]) -> dict[int, tuple[int, ...]]:
    """Returns the numbers of the parts of every class, by part names of the form "Class/part"."""
    return {
        number: parts
        for number, shape in enumerate(classes)
        if (parts := tuple(part for part, text in enumerate(part_names) if text.startswith(f"{shape}/")))
    }


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Reads the known arrays of an npz; never pickles.

    Raises:
        PointCloudError: the file is missing or damaged, or has no points and labels.
    """
    if not path.is_file():
        raise PointCloudError(path, "no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.file_size > max(_SMALL, _MAX_COMPRESSION * member.compress_size):
                    raise PointCloudError(
                        path, f"{member.compress_size} compressed bytes claim to hold {member.file_size}"
                    )
        with np.load(path, allow_pickle=False) as content:
            missing = {"points", "labels"} - set(content.files)
            if missing:
                raise PointCloudError(path, f"has no array {sorted(missing)}; it has {content.files}")
            arrays = {key: content[key] for key in content.files if key in _TEXTS + _NUMBERS}
    except PointCloudError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many types for damaged archives
        raise PointCloudError(path, f"not a readable npz archive ({error})") from error
    for key, array in arrays.items():
        if array.dtype.kind not in ("U" if key in _TEXTS else "fiu"):
            raise PointCloudError(path, f"{key!r} has the wrong type {array.dtype}")
    return arrays


def _texts(arrays: dict[str, NDArray[Any]], key: str) -> list[str] | None:
    return [str(text) for text in arrays[key].ravel()] if key in arrays else None


def _part_names(arrays: dict[str, NDArray[Any]]) -> list[str]:
    if "part_labels" not in arrays:
        return []
    labels = arrays["part_labels"]
    return _texts(arrays, "part_names") or [f"part {n}" for n in range(int(labels.max(initial=-1)) + 1)]
