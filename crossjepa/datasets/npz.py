"""Clouds in one npz: `points`, and what else is known of them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.datasets.arrays import Block, from_blocks
from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.sample import read_split, whole_numbers
from crossjepa.io import PointCloudError
from crossjepa.io.arrays import check_unpacked_size, read_header

_TEXTS = ("split", "names", "classes", "part_names")
_GROUP = "group"
# Other names that such arrays have, in lower case.
_ALIASES = {
    "points": ("data", "x", "pointclouds", "point_clouds", "clouds", "coords", "xyz", "pos"),
    "labels": ("label", "y", "targets", "target", "class", "category"),
}


def load_arrays(name: str, path: Path, up_axis: Axis = "y", *, labeled: bool = True) -> Dataset:
    """Reads `points` (n, N, 3) and `labels` (n,); with them `normals` (n, N, 3) and `part_labels` (n, N).

    Labels are numbers or texts; the arrays may also be called `data` and `label`, or `X` and `y`. Texts, if
    they are there: `split` and `names` (n,), `classes` and `part_names` by number. A part called
    "Class/part" belongs to that class. `group` (n,), of numbers or texts, says which shapes
    belong together.

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
    arrays = _read_arrays(path, ("points", "labels"), (*_TEXTS, _GROUP, "normals", "part_labels"))
    labels, classes = _labels(path, arrays["labels"], _texts(arrays, "classes"))
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
    dataset = from_blocks(name, "npz", classes, [block], up_axis=up_axis, part_names=part_names)
    groups = _texts(arrays, _GROUP) or []
    if groups and len(groups) != len(dataset):
        raise PointCloudError(path, f"{len(groups)} groups for {len(dataset)} shapes")
    return replace(dataset, groups=tuple(groups))


def holds_many_clouds(path: Path) -> bool:
    """Whether an npz has `points` of another shape than (N, 3), which is one cloud.

    Raises:
        PointCloudError: it is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            keys = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            key = _canonical(keys).get("points")
            if key is None:
                return False
            with archive.open(f"{key}.npy") as file:
                shape, _, dtype = read_header(file, path)
                return len(shape) != 2 and dtype.names is None
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
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        keys = _canonical(list(members))
        for name in (*required, *optional):
            if name in keys:
                check_unpacked_size(members[keys[name]], path)
        with np.load(path, allow_pickle=False) as content:
            missing = set(required) - set(keys)
            if missing:
                raise PointCloudError(path, f"has no array {sorted(missing)}; it has {content.files}")
            arrays = {name: content[keys[name]] for name in (*required, *optional) if name in keys}
    except PointCloudError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many types for damaged archives
        raise PointCloudError(path, f"not a readable npz archive ({error})") from error
    for key, array in arrays.items():
        kinds = texts if key in _TEXTS else {"labels": "fiuUS", _GROUP: "iuU"}.get(key, "fiu")
        if array.dtype.kind not in kinds:
            raise PointCloudError(path, f"{key!r} has the wrong type {array.dtype}")
    return arrays


def _canonical(keys: Sequence[str]) -> dict[str, str]:
    """Returns the keys of an archive by the names that they have here."""
    by_lower = {key.lower(): key for key in keys}
    found = {key: key for key in keys}
    for name, aliases in _ALIASES.items():
        key = next((by_lower[alias] for alias in (name, *aliases) if alias in by_lower), None)
        if name not in found and key is not None:
            found[name] = key
    return found


def _labels(
    path: Path, labels: NDArray[Any], classes: list[str] | None
) -> tuple[NDArray[np.int64], list[str]]:
    """Returns numbers of classes and the names of the classes, which texts bring along."""
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.dtype.kind in "US" and flat.ndim == 1:
        words = [
            word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
            for word in flat.tolist()
        ]
        classes = classes or sorted(set(words))
        unknown = sorted(set(words) - set(classes))
        if unknown:
            raise PointCloudError(
                path, f"label {unknown[0]!r} is none of its classes {', '.join(classes)}"[:300]
            )
        return np.array([classes.index(word) for word in words], np.int64), classes
    if flat.dtype.kind == "f" and not (flat == np.floor(flat)).all():
        raise PointCloudError(path, "its labels must be whole numbers, or texts")
    limit = len(classes) if classes else np.iinfo(np.int32).max
    numbers = whole_numbers(flat, limit, str(path), "label")
    return numbers, classes or [str(number) for number in range(int(numbers.max(initial=-1)) + 1)]


def _texts(arrays: dict[str, NDArray[Any]], key: str) -> list[str] | None:
    return arrays[key].ravel().astype(str).tolist() if key in arrays else None


def _names(arrays: dict[str, NDArray[Any]]) -> list[str]:
    return _texts(arrays, "names") or [str(row) for row in range(len(np.atleast_1d(arrays["points"])))]
