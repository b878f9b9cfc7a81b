"""The cache of teacher embeddings: rendered and embedded once, read in every epoch.

S objects, V views, P stored points, D teacher width

A cache is a folder of memory-mapped arrays and a manifest. While it is being made the folder has the suffix
`.partial` and `done.npy` marks the objects that are finished; a killed run goes on with those that are not.
Every object has a checksum, and every file has one when the cache is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossjepa.files import write_json
from crossjepa.train.cache.arrays import FloatRows, file_sha256, row_checksum

FORMAT = 2
MANIFEST = "manifest.json"
POSE_FIELDS = ("azimuth", "elevation", "roll", "distance", "fov")
HISTOGRAM_BINS = 48
ROW_ARRAYS = ("embeddings", "poses", "histograms", "points")
ARRAYS = (*ROW_ARRAYS, "checksums", "done")
# Of unfinished caches alone.
SOURCES = "sources"


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """Returns a short name for everything that decides what a cache holds."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


class Views(NamedTuple):
    """Some views of some objects.

    Attributes:
        poses_BV5: (B, V, 5) float32, see `Cache`.
        histograms_BVH: (B, V, 48) float32 colour histograms.
        embeddings_BVD: (B, V, D) float32 embeddings.
    """

    poses_BV5: NDArray[np.float32]
    histograms_BVH: NDArray[np.float32]
    embeddings_BVD: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Cache:
    """Views of objects as the teacher sees them, and points of the objects.

    Attributes:
        embeddings_SVD: (S, V, D) teacher embeddings; kept as bfloat16, or as float16 in caches of format 1,
            and read as float32.
        poses_SV5: (S, V, 5) float32 azimuth, elevation, roll, distance, field of view; degrees and radii.
        histograms_SVH: (S, V, 48) float16 colour histograms.
        points_SP3: (S, P, 3) float16 points uniform by area, centroid 0, largest radius 1, y up.
        done_S: (S,) bool rows that are finished.
        checksums_S: (S,) uint32 checksums of the rows; None in format 1.
        sources_S: (S,) uint64 fingerprints of what the rows were made of, None in finished caches.
        manifest: recipe, names, shapes.
    """

    embeddings_SVD: FloatRows
    poses_SV5: NDArray[np.float32]
    histograms_SVH: NDArray[np.float16]
    points_SP3: NDArray[np.float16]
    done_S: NDArray[np.bool_]
    checksums_S: NDArray[np.uint32] | None
    sources_S: NDArray[np.uint64] | None
    manifest: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.points_SP3)

    @property
    def views(self) -> int:
        """Views of an object (V)."""
        return self.embeddings_SVD.shape[1]

    @property
    def width(self) -> int:
        """Channels of the teacher (D)."""
        return self.embeddings_SVD.shape[2]

    @property
    def hash(self) -> str:
        """What the cache was made of, as a short name."""
        return str(self.manifest["recipe_hash"])

    @property
    def is_finished(self) -> bool:
        """Whether every row is stored and checked; caches of format 1 have no seal that says so."""
        return "seal" in self.manifest or (self.manifest.get("format") == 1 and bool(self.done_S.all()))

    @property
    def progress(self) -> str:
        """How much of it is there, in words."""
        return f"{int(self.done_S.sum())} of {len(self)} objects are done"

    def points_of(self, row_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the (B, P, 3) points of some objects."""
        return self.points_SP3[row_B].astype(np.float32)

    def embeddings_of(self, row_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the (B, V, D) embeddings of some objects."""
        return self.embeddings_SVD[row_B]

    def views_of(self, row_B: NDArray[np.int64], view_BV: NDArray[np.int64]) -> Views:
        """Returns chosen views of some objects."""
        index = (row_B[:, None], view_BV)
        return Views(
            self.poses_SV5[index].astype(np.float32),
            self.histograms_SVH[index].astype(np.float32),
            self.embeddings_SVD[index],
        )

    def part(self, name: str) -> slice:
        """Returns the channels of one kind of embedding, where several lie side by side.

        Args:
            name: "cls" or "patch".

        Raises:
            KeyError: the cache does not hold it.
        """
        first, last = self.manifest["parts"][name]
        return slice(first, last)

    def missing_rows(self, part: int, parts: int) -> Iterator[int]:
        """Yields the unfinished rows of one of several workers."""
        return (row for row in range(part, len(self), parts) if not self.done_S[row])

    def done_rows(self, part: int, parts: int) -> Iterator[int]:
        """Yields the finished rows of one of several workers."""
        return (row for row in range(part, len(self), parts) if self.done_S[row])

    def write_row(
        self,
        row: int,
        embeddings_VD: NDArray[Any],
        poses_V5: NDArray[Any],
        histograms_VH: NDArray[Any],
        points_P3: NDArray[Any],
        source: int = 0,
    ) -> None:
        """Stores one object; it counts as done only after its arrays are written.

        Args:
            row: its number.
            embeddings_VD: see `Cache`, as the next three.
            poses_V5: of the cameras.
            histograms_VH: of the pictures.
            points_P3: of the object.
            source: fingerprint of what it was made of.

        Raises:
            ValueError: values are not finite, in the precision in which they are kept.
        """
        self.embeddings_SVD[row] = embeddings_VD
        self.poses_SV5[row] = poses_V5
        self.histograms_SVH[row] = histograms_VH
        self.points_SP3[row] = points_P3
        wrong = self._not_finite(row)
        if wrong:
            raise ValueError(f"its {' and '.join(wrong)} are not finite")
        if self.checksums_S is not None:
            self.checksums_S[row] = self.row_checksum(row)
        if self.sources_S is not None:
            self.sources_S[row] = source
        self.done_S[row] = True

    def row_checksum(self, row: int) -> int:
        """Returns the checksum of what is stored of one object."""
        stored = (self.embeddings_SVD.stored, self.poses_SV5, self.histograms_SVH, self.points_SP3)
        return row_checksum(*(array[row] for array in stored))

    def damaged_rows(self, part: int = 0, parts: int = 1) -> list[int]:
        """Returns the finished rows, of one of several workers, that are not as they were written."""
        if self.checksums_S is None:
            return []
        rows = self.done_rows(part, parts)
        return [row for row in rows if self.row_checksum(row) != self.checksums_S[row]]

    def bad_rows(self, part: int = 0, parts: int = 1) -> list[int]:
        """Returns the finished rows, of one of several workers, with values that are not finite."""
        return [row for row in self.done_rows(part, parts) if self._not_finite(row)]

    def changed_rows(self, fingerprint: Callable[[int], int], part: int = 0, parts: int = 1) -> list[int]:
        """Returns the finished rows, of one of several workers, that were made of something else.

        Args:
            fingerprint: of what a row would be made of now.
            part: number of the worker.
            parts: how many there are.
        """
        if self.sources_S is None:
            return []
        return [row for row in self.done_rows(part, parts) if self.sources_S[row] != fingerprint(row)]

    def _not_finite(self, row: int) -> list[str]:
        """Returns the names of a row's arrays with values that are not finite."""
        values = (
            self.embeddings_SVD[row],
            self.poses_SV5[row],
            self.histograms_SVH[row],
            self.points_SP3[row],
        )
        return [name for name, array in zip(ROW_ARRAYS, values, strict=True) if not np.isfinite(array).all()]


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
    parts: Mapping[str, Sequence[int]] | None = None,
    about: Mapping[str, Any] | None = None,
    finished: Mapping[str, Any] | None = None,
) -> Path:
    """Lays out an empty cache, or finds the unfinished one of the same recipe.

    Args:
        folder: where the finished cache shall be.
        names: name of each object.
        recipe: everything that decides the content: data, renderer, teacher. Where files can be repaired
            while the cache is made, not what is in them: that is for the fingerprints of the rows.
        views: views of an object (V).
        points: stored points of an object (P).
        width: channels of the teacher (D).
        parts: first channel, and the one after the last, of each kind of embedding.
        about: further facts that do not decide the content.
        finished: the recipe for `finish_cache`, if another one.

    Returns:
        The folder of the unfinished cache.

    Raises:
        ValueError: an unfinished cache of another recipe is in the way.
    """
    partial = partial_folder(folder)
    manifest = {
        "format": FORMAT,
        "recipe": dict(recipe),
        "recipe_hash": recipe_hash(recipe),
        "views": views,
        "width": width,
        "parts": dict(parts or {"cls": (0, width)}),
        "embeddings": "bfloat16",
        **(about or {}),
        "names": list(names),
    }
    if (partial / MANIFEST).is_file():
        found = read_manifest(partial)
        # Killed when all but finished, or begun by an earlier version, it has the finished one's recipe.
        known = [recipe_hash(known) for known in (recipe, finished or recipe)]
        if found.get("format") != FORMAT or found["recipe_hash"] not in known:
            raise ValueError(
                f"{partial}: unfinished cache of another recipe ({found['recipe_hash']}); remove it or "
                "change the name"
            )
        return partial
    partial.mkdir(parents=True, exist_ok=True)
    _lay_out(partial, len(names), views, points, width)
    write_json(partial / MANIFEST, manifest)
    return partial


def _lay_out(folder: Path, rows: int, views: int, points: int, width: int) -> None:
    layout: dict[str, tuple[type, tuple[int, ...]]] = {
        "embeddings": (np.uint16, (rows, views, width)),
        "poses": (np.float32, (rows, views, len(POSE_FIELDS))),
        "histograms": (np.float16, (rows, views, HISTOGRAM_BINS)),
        "points": (np.float16, (rows, points, 3)),
        "checksums": (np.uint32, (rows,)),
        "done": (np.bool_, (rows,)),
        SOURCES: (np.uint64, (rows,)),
    }
    for name, (dtype, shape) in layout.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape).flush()


def open_cache(folder: str | os.PathLike[str], *, writable: bool = False) -> Cache:
    """Maps the arrays of a cache.

    Args:
        folder: a finished cache, or an unfinished one when `writable`.
        writable: whether rows can be stored.

    Returns:
        The cache; nothing is read until rows are used.

    Raises:
        FileNotFoundError: there is no finished cache; the message says so when there is an unfinished one.
        ValueError: a file of it is damaged.
    """
    folder = Path(folder)
    cache = map_cache(folder, writable=writable)
    if not (writable or cache.is_finished):
        raise FileNotFoundError(
            f"{folder}: an unfinished cache, {cache.progress}: let `crossjepa cache` finish it"
        )
    return cache


def map_cache(folder: Path, *, writable: bool = False) -> Cache:
    """Maps the arrays of a cache, finished or not.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a file of it is damaged.
    """
    if not (folder / MANIFEST).is_file():
        unfinished = " (an unfinished one is there: run the same command again)"
        raise FileNotFoundError(f"{folder}: no cache{unfinished if partial_folder(folder).is_dir() else ''}")

    def array(name: str) -> Any:
        try:
            return np.asanyarray(np.load(folder / f"{name}.npy", mmap_mode="r+" if writable else "r"))
        except (OSError, ValueError, EOFError, SyntaxError) as error:
            raise ValueError(f"{folder / name}.npy: damaged or missing ({error})") from error

    return Cache(
        embeddings_SVD=FloatRows(array("embeddings")),
        poses_SV5=array("poses"),
        histograms_SVH=array("histograms"),
        points_SP3=array("points"),
        done_S=array("done"),
        checksums_S=array("checksums") if (folder / "checksums.npy").is_file() else None,
        sources_S=array(SOURCES) if (folder / f"{SOURCES}.npy").is_file() else None,
        manifest=read_manifest(folder),
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Returns the manifest of a cache.

    Raises:
        ValueError: it is damaged.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if not isinstance(manifest, dict) or "names" not in manifest:
            raise ValueError("it is not a manifest")
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder / MANIFEST}: damaged ({error})") from error
    return manifest


def finish_cache(
    folder: str | os.PathLike[str],
    *,
    leave_out: Sequence[int] = (),
    recipe: Mapping[str, Any] | None = None,
) -> Cache:
    """Checks that every row is stored and finite, adds checksums, and gives the folder its final name.

    Args:
        folder: where the finished cache shall be.
        leave_out: rows that shall not be part of it.
        recipe: everything that decided the content, if more than it was started with.

    Raises:
        ValueError: rows are missing, damaged, or hold values that are not finite.
    """
    folder, partial = Path(folder), partial_folder(folder)
    cache = open_cache(partial, writable=True)
    kept = np.setdiff1d(np.arange(len(cache)), np.array(leave_out, np.int64))
    missing = int((~cache.done_S[kept]).sum())
    if missing:
        raise ValueError(f"{folder}: {missing} of {len(cache)} objects are missing")
    if len(leave_out):
        partial = _without_rows(cache, partial, kept)
        cache = open_cache(partial, writable=True)
    damaged = cache.damaged_rows()
    if damaged:
        raise ValueError(f"{folder}: row {damaged[0]} is damaged; run the same command again")
    bad = cache.bad_rows()
    if bad:
        name = cache.manifest["names"][bad[0]]
        raise ValueError(f"{folder}: {name} holds values that are not finite; run the same command again")
    manifest = dict(cache.manifest)
    del cache
    if recipe is not None:
        manifest.update(recipe=dict(recipe), recipe_hash=recipe_hash(recipe))
    manifest["sha256"] = {name: file_sha256(partial / f"{name}.npy") for name in ARRAYS}
    manifest["seal"] = seal(manifest)
    write_json(partial / MANIFEST, manifest)
    (partial / f"{SOURCES}.npy").unlink(missing_ok=True)
    partial.rename(folder)
    shutil.rmtree(partial_folder(folder), ignore_errors=True)
    return open_cache(folder)


def seal(manifest: Mapping[str, Any]) -> str:
    """Returns a checksum of a manifest without its seal."""
    rest = {name: value for name, value in manifest.items() if name != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _without_rows(cache: Cache, partial: Path, kept: NDArray[np.int64]) -> Path:
    """Copies some rows of a cache to a new folder beside it."""
    smaller = partial.with_suffix(".smaller")
    shutil.rmtree(smaller, ignore_errors=True)
    smaller.mkdir()
    _, views, width = cache.embeddings_SVD.shape
    _lay_out(smaller, len(kept), views, cache.points_SP3.shape[1], width)
    for name in ARRAYS:
        source = np.load(partial / f"{name}.npy", mmap_mode="r")
        target = np.load(smaller / f"{name}.npy", mmap_mode="r+")
        for place, row in enumerate(kept):
            target[place] = source[row]
        target.flush()
    names = cache.manifest["names"]
    left_out = sorted(set(range(len(cache))) - set(kept.tolist()))
    manifest = {
        **cache.manifest,
        "left_out": [names[row] for row in left_out],
        "names": [names[row] for row in kept],
    }
    write_json(smaller / MANIFEST, manifest)
    return smaller
