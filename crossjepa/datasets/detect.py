"""Opening a labeled data set by its name and path, and telling which one a path is."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from crossjepa.config import Axis
from crossjepa.datasets.catalog import SOURCES, Source, find_source
from crossjepa.datasets.dataset import Dataset
from crossjepa.errors import DatasetNotFoundError

_SCANS = "scanobjectnn-obj-bg, scanobjectnn-obj-only, scanobjectnn-pb-t50-rs"
_FILE_SUFFIXES = {".npz": "clouds", ".csv": "table", ".pkl": "modelnet40-fewshot"}
_FOLDER_MARKS = {
    "modelnet40": ("shape_names.txt", "modelnet40_shape_names.txt"),
    "modelnet10": ("modelnet10_shape_names.txt",),
    "shapenetpart": ("hdf5_data", "all_object_categories.txt", "synsetoffset2category.txt"),
    "shapenet55": ("shapenet_pc",),
    "modelnet40-fewshot": ("5way_10shot", "5way10shot"),
    _SCANS: ("h5_files", "main_split", "main_split_nobg"),
}


def list_datasets() -> list[str]:
    """Lists the names that `load` knows."""
    return list(SOURCES)


def load(
    name: str,
    path: str | os.PathLike[str],
    *,
    num_points: int = 1024,
    seed: int = 0,
    up_axis: Axis | None = None,
) -> Dataset:
    """Reads a data set as it is distributed.

    Args:
        name: one of `list_datasets()`.
        path: its folder or file.
        num_points: points sampled on a mesh; of clouds, all points are kept.
        seed: seed of that sampling. With 1024 and 0, as in the bundled weights, a mesh gives the same points
            as in `encode`.
        up_axis: the axis that points up, if it is not the one known of this data set.

    Raises:
        ValueError: the name is unknown.
        DatasetNotFoundError: there is nothing at the path; the message says where to get the data.
        PointCloudError: a file is missing or damaged; the message names it and the reason.
        ImportError: h5py is missing; install `crossjepa[data]`.

    Example:
        >>> dataset = crossjepa.datasets.load("folder", "shapes")
        >>> dataset[0].points_N3.shape, dataset.classes[dataset[0].label]
        ((1024, 3), 'chair')
    """
    source, place = find_source(name), Path(path)
    require(source, place)
    dataset = source.loader(place, num_points, seed)
    return dataset if up_axis is None else replace(dataset, up_axis=up_axis)


def require(source: Source, path: Path) -> None:
    """Explains how to get a data set that does not exist.

    Raises:
        DatasetNotFoundError: there is nothing at the path.
    """
    if not path.exists():
        raise DatasetNotFoundError(f"{path}: no such file or folder\n{source.instructions()}")


def detect(path: str | os.PathLike[str]) -> str:
    """Names the data set at a path by its marks; "folder" if there are none.

    Raises:
        ValueError: the marks are of several data sets; the message lists them.
        DatasetNotFoundError: there is nothing at the path.
    """
    place = Path(path)
    if not place.exists():
        raise DatasetNotFoundError(f"{place}: no such file or folder; `crossjepa data list` lists data sets")
    if place.is_file():
        found = _FILE_SUFFIXES.get(place.suffix.lower())
        if found is None:
            raise ValueError(f"{place}: neither a folder nor an npz, csv or pkl file")
        return found
    names = [name for name, marks in _FOLDER_MARKS.items() if any((place / mark).exists() for mark in marks)]
    # normal_resampled brings the lists of both ModelNets.
    if names == ["modelnet40", "modelnet10"]:
        return "modelnet40"
    if len(names) > 1 or names == [_SCANS]:
        raise ValueError(f"{place}: say which data set it is: {', '.join(names)}")
    return names[0] if names else "folder"
