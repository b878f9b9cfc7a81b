"""Which data set a path is."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossjepa.config import Axis
from crossjepa.datasets.clouds import CloudArchive
from crossjepa.datasets.collection import Collection, Joined
from crossjepa.datasets.file_folder import FileFolder
from crossjepa.datasets.packs import MeshPack
from crossjepa.datasets.renderings import open_renderings
from crossjepa.io import PointCloudError


def open_collection(
    paths: Sequence[str | os.PathLike[str]],
    *,
    split: str | None = None,
    up_axis: Axis = "y",
    meshes: str = "open",
    shapes: str | os.PathLike[str] | None = None,
    difficulty: str = "easy",
    skip_bad: bool = False,
) -> Collection:
    """Opens data sets of any kind that can be cached, and joins them.

    Args:
        paths: packed meshes (npz), archives of clouds (npz), folders of renderings or of files, or files.
        split: of archives of clouds, see `CloudArchive`.
        up_axis: the axis that points up in clouds and files; packed meshes know theirs.
        meshes: which packed meshes, see `MeshPack`.
        shapes: clouds or meshes for renderings, see `open_renderings`.
        difficulty: of DISN's renderings.
        skip_bad: leave out renderings without a shape.

    Returns:
        One collection.

    Raises:
        PointCloudError, ValueError: a path cannot be used; the message names it and the reason.
    """
    parts = [_open(Path(path), split, up_axis, meshes, shapes, difficulty, skip_bad) for path in paths]
    return parts[0] if len(parts) == 1 else Joined(parts)


def _open(
    path: Path,
    split: str | None,
    up_axis: Axis,
    meshes: str,
    shapes: str | os.PathLike[str] | None,
    difficulty: str,
    skip_bad: bool,
) -> Collection:
    if not path.exists():
        raise PointCloudError(path, "no such file or folder")
    if path.is_dir():
        rendered = open_renderings(
            path, shapes, up_axis=up_axis, difficulty=difficulty, skip_unpaired=skip_bad
        )
        return rendered or FileFolder(path, up_axis=up_axis)
    members = _members(path) if path.suffix.lower() == ".npz" else []
    if "verts_xz.npy" in members:
        return MeshPack(path, meshes)
    if "points.npy" in members and not _is_one_cloud(path):
        return CloudArchive(path, split=split, up_axis=up_axis)
    return FileFolder(path, up_axis=up_axis)


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise PointCloudError(path, f"not a readable npz archive ({error})") from error


def _is_one_cloud(path: Path) -> bool:
    with np.load(path) as archive:
        try:
            return bool(archive["points"].ndim == 2)
        except ValueError as error:
            raise PointCloudError(path, f"not a readable npz archive ({error})") from error
