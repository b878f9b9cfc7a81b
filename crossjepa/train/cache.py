"""The cache of teacher embeddings: rendered and embedded once, read in every epoch.

S objects, V views, P stored points, D teacher width

A cache is a folder of memory-mapped arrays and a manifest. While it is being made the folder has the suffix
`.partial` and a row a finished object in `done.npy`; a killed run goes on with the rows that are missing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.files import write_json

MANIFEST = "manifest.json"
POSE_FIELDS = ("azimuth", "elevation", "roll", "distance", "fov")
HISTOGRAM_BINS = 48


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """Returns a short name for everything that decides what a cache holds."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Cache:
    """Views of objects as the teacher sees them, and points of the objects.

    Attributes:
        embeddings_SVD: (S, V, D) float16 teacher embeddings.
        poses_SV5: (S, V, 5) float32 azimuth, elevation, roll, distance, field of view; degrees and radii.
        histograms_SVH: (S, V, 48) float16 colour histograms.
        points_SP3: (S, P, 3) float16 points uniform by area, centroid 0, largest radius 1, y up.
        done_S: (S,) bool rows that are finished.
        manifest: recipe, names, shapes.
    """

    embeddings_SVD: NDArray[np.float16]
    poses_SV5: NDArray[np.float32]
    histograms_SVH: NDArray[np.float16]
    points_SP3: NDArray[np.float16]
    done_S: NDArray[np.bool_]
    manifest: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.points_SP3)

    def missing_rows(self, part: int, parts: int) -> Iterator[int]:
        """Yields the unfinished rows of one of several workers."""
        return (row for row in range(part, len(self), parts) if not self.done_S[row])

    def write_row(
        self,
        row: int,
        embeddings_VD: NDArray[Any],
        poses_V5: NDArray[Any],
        histograms_VH: NDArray[Any],
        points_P3: NDArray[Any],
    ) -> None:
        """Stores one object; it counts as done only after its arrays are written."""
        self.embeddings_SVD[row] = embeddings_VD
        self.poses_SV5[row] = poses_V5
        self.histograms_SVH[row] = histograms_VH
        self.points_SP3[row] = points_P3
        self.done_S[row] = True


def partial_folder(folder: str | os.PathLike[str]) -> Path:
    """Returns the folder in which an unfinished cache lies."""
    return Path(folder).with_name(Path(folder).name + ".partial")


def start_cache(
    folder: str | os.PathLike[str],
    names: Sequence[str],
    recipe: Mapping[str, Any],
    *,
    views: int,
    points: int,
    width: int,
) -> Path:
    """Lays out an empty cache, or finds the unfinished one of the same recipe.

    Args:
        folder: where the finished cache shall be.
        names: name of each object.
        recipe: everything that decides the content: data, renderer, teacher.
        views: views of an object (V).
        points: stored points of an object (P).
        width: channels of the teacher (D).

    Returns:
        The folder of the unfinished cache.

    Raises:
        ValueError: an unfinished cache of another recipe is in the way.
    """
    partial = partial_folder(folder)
    manifest = {
        "format": 1,
        "recipe": dict(recipe),
        "recipe_hash": recipe_hash(recipe),
        "views": views,
        "width": width,
        "names": list(names),
    }
    if (partial / MANIFEST).is_file():
        found = json.loads((partial / MANIFEST).read_text())["recipe_hash"]
        if found != manifest["recipe_hash"]:
            raise ValueError(
                f"{partial}: unfinished cache of another recipe ({found}); remove it or change the name"
            )
        return partial
    partial.mkdir(parents=True, exist_ok=True)
    rows = len(names)
    layout: dict[str, tuple[type, tuple[int, ...]]] = {
        "embeddings": (np.float16, (rows, views, width)),
        "poses": (np.float32, (rows, views, len(POSE_FIELDS))),
        "histograms": (np.float16, (rows, views, HISTOGRAM_BINS)),
        "points": (np.float16, (rows, points, 3)),
        "done": (np.bool_, (rows,)),
    }
    for name, (dtype, shape) in layout.items():
        np.lib.format.open_memmap(partial / f"{name}.npy", mode="w+", dtype=dtype, shape=shape).flush()
    write_json(partial / MANIFEST, manifest)
    return partial


def open_cache(folder: str | os.PathLike[str], *, writable: bool = False) -> Cache:
    """Maps the arrays of a cache.

    Args:
        folder: a finished cache, or an unfinished one when `writable`.
        writable: whether rows can be stored.

    Returns:
        The cache; nothing is read until rows are used.

    Raises:
        FileNotFoundError: there is no finished cache; the message says so when there is an unfinished one.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        unfinished = " (an unfinished one is there: run the same command again)"
        raise FileNotFoundError(f"{folder}: no cache{unfinished if partial_folder(folder).is_dir() else ''}")

    def array(name: str) -> NDArray[Any]:
        return np.asanyarray(np.load(folder / f"{name}.npy", mmap_mode="r+" if writable else "r"))

    return Cache(
        embeddings_SVD=array("embeddings"),
        poses_SV5=array("poses"),
        histograms_SVH=array("histograms"),
        points_SP3=array("points"),
        done_S=array("done"),
        manifest=json.loads((folder / MANIFEST).read_text()),
    )


def finish_cache(folder: str | os.PathLike[str]) -> Cache:
    """Checks that every row is stored and finite and gives the folder its final name.

    Raises:
        ValueError: rows are missing or hold values that are not finite.
    """
    cache = open_cache(partial_folder(folder), writable=True)
    missing = int((~cache.done_S).sum())
    if missing:
        raise ValueError(f"{folder}: {missing} of {len(cache)} objects are missing")
    for array in (cache.embeddings_SVD, cache.points_SP3):
        bad = [row for row in range(len(cache)) if not np.isfinite(array[row]).all()]
        if bad:
            raise ValueError(f"{folder}: row {bad[0]} holds values that are not finite")
        array.flush()  # type: ignore[attr-defined]
    partial_folder(folder).rename(folder)
    return open_cache(folder)
