"""Data sets whose layout the files tell: folders, archives and renderings, labeled or not, for caches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from crossjepa.config import Axis
from crossjepa.datasets.concat import concat
from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.files import FileReader
from crossjepa.datasets.npz import holds_many_clouds, load_arrays
from crossjepa.datasets.renderings import open_renderings
from crossjepa.datasets.sample import Sampling
from crossjepa.io import PointCloudError, find_files


def open_dataset(
    paths: Sequence[str | os.PathLike[str]],
    *,
    split: str | None = None,
    up_axis: Axis = "y",
    shapes: str | os.PathLike[str] | None = None,
    difficulty: str = "easy",
    skip_bad: bool = False,
) -> Dataset:
    """Opens what can be cached without asking for labels, as one unlabeled data set.

    Args:
        paths: archives of clouds (npz), folders of renderings or of files, or files.
        split: of archives of clouds, "all" for all. It must be given if an archive has several, so that a
            test set is never trained on by mistake.
        up_axis: the axis that points up.
        shapes: clouds or meshes for renderings, see `open_renderings`.
        difficulty: of DISN's renderings.
        skip_bad: leave out renderings without a shape.

    Raises:
        PointCloudError, ValueError: a path cannot be used; the message names it and the reason.
    """

    def read(path: Path) -> Dataset:
        if not path.exists():
            raise PointCloudError(path, "no such file or folder")
        if path.suffix.lower() == ".npz" and path.is_file() and holds_many_clouds(path):
            return _choose(load_arrays("clouds", path, up_axis, labeled=False), path, split)
        rendered = path.is_dir() and open_renderings(
            path, shapes, up_axis=up_axis, difficulty=difficulty, skip_unpaired=skip_bad
        )
        return rendered or _files(path, up_axis)

    return concat([read(Path(path)) for path in paths])


def _files(path: Path, up_axis: Axis) -> Dataset:
    root, files = (path, find_files(path)) if path.is_dir() else (path.parent, [path])
    if not files:
        raise PointCloudError(path, "no point cloud or mesh file in this folder")
    return Dataset(
        name="files",
        layout="folder" if path.is_dir() else "file",
        names=tuple(file.relative_to(root).as_posix() for file in files),
        splits=("all",) * len(files),
        reader=FileReader(tuple(files), color=True),
        files=tuple(files),
        up_axis=up_axis,
        sampling=Sampling(),
    )


def _choose(dataset: Dataset, path: Path, split: str | None) -> Dataset:
    known = dataset.split_names
    if known == ("all",) and split not in (None, "all"):
        raise ValueError(f"{path} has no splits, so it has no split {split!r}")
    if split is None and len(known) > 1:
        raise ValueError(f"{path} has the splits {', '.join(known)}: say which one, or all")
    if split not in (None, "all", *known):
        raise ValueError(f"{path} has no split {split!r}, only {', '.join(known)}")
    return dataset if split in (None, "all") else dataset.subset(split)
