"""Clouds in one npz: `points`, and what else is known of them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.datasets.arrays import Block, from_blocks
from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.sample import read_split
from crossjepa.io import PointCloudError
from crossjepa.io.arrays import check_unpacked_size, read_header

_TEXTS = ("split", "names", "classes", "part_names")


def load_arrays(name: str, path: Path, up_axis: Axis = "y", *, labeled: bool = True) -> Dataset:
    """Reads `points` (n, N, 3) and `labels` (n,); with them `normals` (n, N, 3) and `part_labels` (n, N).

    Texts, if they are there: `split` and `names` (n,), `classes` and `part_names` by number. A part called
    "Class/part" belongs to that class.

    Args:
        name, up_axis: as in `Dataset`.
        path: the npz file.
        labeled: False to read only `points`, `names` and `split`, whose words are then taken as they are.

    Raises:
        PointCloudError: the file is missing or damaged, or an array does not fit; the message names it.
    """
    if not labeled:
        arrays = _read_arrays(path, ("points",), ("names", "split"), texts="USiu")
        if not arrays["points"].size:
            raise PointCloudError(path, f"no points: their shape is {arrays['points'].shape}")
        block = Block(path, _texts(arrays, "split") or "all", arrays["points"], names=_names(arrays))
        return from_blocks(name, "npz", (), [block], up_axis=up_axis)
    arrays = _read_arrays(path, ("points", "labels"), (*_TEXTS, "normals", "part_labels"))
    labels = arrays["labels"]
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise PointCloudError(
            path, f"'labels' must be whole numbers of shape (n,), not {labels.dtype} {labels.shape}"
        )
    highest = int(labels.max()) if len(labels) else -1
    classes = _texts(arrays, "classes") or [str(number) for number in range(highest + 1)]
    part_names: list[str] = []
    if "part_labels" in arrays:
        count = int(arrays["part_labels"].max(initial=-1)) + 1
        part_names = _texts(arrays, "part_names") or [f"part {number}" for number in range(count)]
    splits = _texts(arrays, "split")
    block = Block(
        path,
        [read_split(split, path) for split in splits] if splits else "all",
        arrays["points"],
        labels,
        _names(arrays),
        arrays.get("normals"),
        arrays.get("part_labels"),
    )
    return from_blocks(name, "npz", classes, [block], up_axis=up_axis, part_names=part_names)


def holds_many_clouds(path: Path) -> bool:
    """Whether an npz has `points` of another shape than (N, 3), which is one cloud.

    Raises:
        PointCloudError: it is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if "points.npy" not in archive.namelist():
                return False
            with archive.open("points.npy") as file:
                return len(read_header(file, path)[0]) != 2
    except PointCloudError:
        raise
    except Exception as error:  # zipfile and zlib raise many types for damaged archives
        raise PointCloudError(path, f"not a readable npz archive ({error})") from error


def _read_arrays(
    path: Path, required: Sequence[str], optional: Sequence[str], texts: str = "U"
) -> dict[str, NDArray[Any]]:
    """Reads some arrays of an npz, never pickles; `texts` are the kinds of dtype that texts may have."""
    if not path.is_file():
        raise PointCloudError(path, "no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.removesuffix(".npy") in (*required, *optional):
                    check_unpacked_size(member, path)
        with np.load(path, allow_pickle=False) as content:
            missing = set(required) - set(content.files)
            if missing:
                raise PointCloudError(path, f"has no array {sorted(missing)}; it has {content.files}")
            arrays = {key: content[key] for key in content.files if key in (*required, *optional)}
    except PointCloudError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many types for damaged archives
        raise PointCloudError(path, f"not a readable npz archive ({error})") from error
    for key, array in arrays.items():
        if array.dtype.kind not in (texts if key in _TEXTS else "fiu"):
            raise PointCloudError(path, f"{key!r} has the wrong type {array.dtype}")
    return arrays


def _texts(arrays: dict[str, NDArray[Any]], key: str) -> list[str] | None:
    return arrays[key].ravel().astype(str).tolist() if key in arrays else None


def _names(arrays: dict[str, NDArray[Any]]) -> list[str]:
    return _texts(arrays, "names") or [str(row) for row in range(len(np.atleast_1d(arrays["points"])))]
