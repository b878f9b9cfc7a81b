"""The cache of teacher embeddings: rendered and embedded once, read in every epoch.

S objects, V views, P stored points, D teacher width, K points with dense targets, C channels of these,
M channels of the teacher's maps, X = C + 1

A cache is a folder of memory-mapped arrays and a manifest. Every object has a checksum; every file gets one
when the cache is finished.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import TeacherConfig
from crossjepa.train.cache.arrays import STEPS_PER_DEVIATION, FloatRows, row_checksum
from crossjepa.train.cache.manifest import MANIFEST, partial_folder, read_manifest, teachers_in

HISTOGRAM_BINS = 48
ROW_ARRAYS = ("embeddings", "poses", "histograms", "points")
ARRAYS = (*ROW_ARRAYS, "checksums", "done")
# In caches with dense targets only. The basis is not of any object.
DENSE_ROW_ARRAYS, BASIS = ("dense", "dense_seen"), "dense_basis"
# In unfinished caches only.
SOURCES = "sources"


class Cameras(NamedTuple):
    """What is known of some views of some objects before the teacher sees them.

    Attributes:
        poses_BV5: (B, V, 5) float32, see `Cache`.
        histograms_BVH: (B, V, 48) float32 color histograms.
    """

    poses_BV5: NDArray[np.float32]
    histograms_BVH: NDArray[np.float32]


class Views(NamedTuple):
    """Some views of some objects.

    Attributes:
        poses_BV5: (B, V, 5) float32, see `Cache`.
        histograms_BVH: (B, V, 48) float32 color histograms.
        embeddings_BVD: (B, V, D) float32 embeddings.
    """

    poses_BV5: NDArray[np.float32]
    histograms_BVH: NDArray[np.float32]
    embeddings_BVD: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Cache:
    """Views of objects as the teacher sees them, and points of the objects.

    Attributes:
        embeddings_SVD: (S, V, D) teacher embeddings; stored as bfloat16, or as float16 in caches of format 1,
            and read as float32.
        poses_SV5: (S, V, 5) float32 azimuth, elevation, roll, distance, field of view; degrees and radii.
        histograms_SVH: (S, V, 48) float16 color histograms.
        points_SP3: (S, P, 3) float16 points uniform by area, centroid 0, largest radius 1, y up.
        done_S: (S,) bool rows that are finished.
        checksums_S: (S,) uint32 checksums of the rows; None in format 1.
        sources_S: (S,) uint64 fingerprints of the sources of the rows, None in finished caches.
        manifest: recipe, names, shapes.
        dense_SKC: (S, K, C) int8 targets at the first K points, see `crossjepa.train.cache.dense`; None in
            caches without dense targets, as the next two.
        dense_seen_SK: (S, K) uint8 number of the views that see a point; without any, its target is 0.
        basis_XM: (1 + C, M) float32 mean of the teacher's features at points, and what maps their differences
            from it to the targets; None also in a cache that was interrupted before it was made.
    """

    embeddings_SVD: FloatRows
    poses_SV5: NDArray[np.float32]
    histograms_SVH: NDArray[np.float16]
    points_SP3: NDArray[np.float16]
    done_S: NDArray[np.bool_]
    checksums_S: NDArray[np.uint32] | None
    sources_S: NDArray[np.uint64] | None
    manifest: Mapping[str, Any]
    dense_SKC: NDArray[np.int8] | None = None
    dense_seen_SK: NDArray[np.uint8] | None = None
    basis_XM: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.points_SP3)

    @property
    def views(self) -> int:
        """Number of views per object (V)."""
        return self.embeddings_SVD.shape[1]

    @property
    def width(self) -> int:
        """Channels of an embedding (D)."""
        return self.embeddings_SVD.shape[2]

    @property
    def teachers(self) -> tuple[TeacherConfig, ...]:
        """The teachers, in the order in which their embeddings lie side by side."""
        return teachers_in(self.manifest, self.width)

    @property
    def dense_points(self) -> int:
        """Number of points with dense targets (K), 0 in caches without any."""
        return 0 if self.dense_SKC is None else self.dense_SKC.shape[1]

    @property
    def dense_channels(self) -> int:
        """Channels of the dense targets (C), 0 in caches without any."""
        return 0 if self.dense_SKC is None else self.dense_SKC.shape[2]

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the arrays of a finished cache, and of their files."""
        return ARRAYS if self.dense_SKC is None else (*ARRAYS, *DENSE_ROW_ARRAYS, BASIS)

    @property
    def hash(self) -> str:
        """Hash of the recipe: data, renderer and teacher."""
        return str(self.manifest["recipe_hash"])

    @property
    def is_finished(self) -> bool:
        """Whether every row is stored and verified; caches of format 1 have no seal that says so."""
        return "seal" in self.manifest or (self.manifest.get("format") == 1 and bool(self.done_S.all()))

    @property
    def progress(self) -> str:
        """How many objects are done, in words."""
        return f"{int(self.done_S.sum())} of {len(self)} objects are done"

    def points_of(self, row_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the (B, P, 3) float32 points of some objects."""
        return self.points_SP3[row_B].astype(np.float32)

    def embeddings_of(
        self, row_B: NDArray[np.int64], view_BV: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Returns the (B, V, D) float32 embeddings of the chosen views of some objects, by default all."""
        return self.embeddings_SVD[self._index(row_B, view_BV)]

    def cameras_of(self, row_B: NDArray[np.int64], view_BV: NDArray[np.int64] | None = None) -> Cameras:
        """Returns poses and histograms of the chosen views of some objects, by default all."""
        index = self._index(row_B, view_BV)
        return Cameras(
            self.poses_SV5[index].astype(np.float32), self.histograms_SVH[index].astype(np.float32)
        )

    def views_of(self, row_B: NDArray[np.int64], view_BV: NDArray[np.int64] | None = None) -> Views:
        """Returns the chosen views of some objects, by default all."""
        return Views(*self.cameras_of(row_B, view_BV), self.embeddings_of(row_B, view_BV))

    def _index(self, row_B: NDArray[np.int64], view_BV: NDArray[np.int64] | None) -> tuple[Any, Any]:
        return row_B[:, None], np.arange(self.views) if view_BV is None else view_BV

    def seen_of(self, row_B: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Returns (B, K) bool: whether any view sees the points with dense targets of some objects."""
        assert self.dense_seen_SK is not None
        return self.dense_seen_SK[row_B] > 0

    def dense_of(self, row_B: NDArray[np.int64], point_BQ: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns (B, Q, C) float32 dense targets of chosen points, in standard deviations of a channel."""
        assert self.dense_SKC is not None
        return self.dense_SKC[row_B[:, None], point_BQ] * np.float32(1 / STEPS_PER_DEVIATION)

    def dense_row(self, row: int) -> tuple[NDArray[np.int8], NDArray[np.uint8]] | None:
        """Returns (K, C) dense targets and (K,) numbers of views, as stored; None without dense targets."""
        if self.dense_SKC is None or self.dense_seen_SK is None:
            return None
        return self.dense_SKC[row], self.dense_seen_SK[row]

    def part(self, name: str) -> slice:
        """Returns the channels of one embedding, if the cache holds several side by side.

        Args:
            name: name of the teacher in a cache of several; else "cls", "patch" or "layers".

        Raises:
            KeyError: the cache has no such embedding.
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
        dense: tuple[NDArray[np.int8], NDArray[np.uint8]] | None = None,
    ) -> None:
        """Stores one object, which counts as done only once its arrays are written.

        Args:
            row: number of the object.
            embeddings_VD: (V, D) embeddings.
            poses_V5: (V, 5) cameras.
            histograms_VH: (V, 48) color histograms.
            points_P3: (P, 3) points.
            source: fingerprint of the object's source.
            dense: (K, C) targets and (K,) numbers of views that see the points, in a cache with such targets.

        Raises:
            ValueError: values are not finite in the precision in which they are stored.
        """
        self.embeddings_SVD[row] = embeddings_VD
        self.poses_SV5[row] = poses_V5
        self.histograms_SVH[row] = histograms_VH
        self.points_SP3[row] = points_P3
        if self.dense_SKC is not None and self.dense_seen_SK is not None and dense is not None:
            self.dense_SKC[row], self.dense_seen_SK[row] = dense
        wrong = self._not_finite(row)
        if wrong:
            raise ValueError(f"its {' and '.join(wrong)} are not finite")
        if self.checksums_S is not None:
            self.checksums_S[row] = self.row_checksum(row)
        if self.sources_S is not None:
            self.sources_S[row] = source
        self.done_S[row] = True

    def row_checksum(self, row: int) -> int:
        """Returns the checksum of the stored arrays of one object."""
        stored = (self.embeddings_SVD.stored, self.poses_SV5, self.histograms_SVH, self.points_SP3)
        dense = (self.dense_SKC, self.dense_seen_SK)
        return row_checksum(*(array[row] for array in (*stored, *dense) if array is not None))

    def damaged_rows(self, part: int = 0, parts: int = 1) -> list[int]:
        """Returns the finished rows of one of several workers that no longer match their checksums."""
        if self.checksums_S is None:
            return []
        rows = self.done_rows(part, parts)
        return [row for row in rows if self.row_checksum(row) != self.checksums_S[row]]

    def bad_rows(self, part: int = 0, parts: int = 1) -> list[int]:
        """Returns the finished rows of one of several workers that hold values that are not finite."""
        return [row for row in self.done_rows(part, parts) if self._not_finite(row)]

    def changed_rows(self, fingerprint: Callable[[int], int], part: int = 0, parts: int = 1) -> list[int]:
        """Returns the finished rows of one of several workers whose sources have changed.

        Args:
            fingerprint: returns the fingerprint of the present source of a row.
            part: number of the worker.
            parts: number of workers.
        """
        if self.sources_S is None:
            return []
        return [row for row in self.done_rows(part, parts) if self.sources_S[row] != fingerprint(row)]

    def _not_finite(self, row: int) -> list[str]:
        """Returns the names of the arrays of a row that hold values that are not finite."""
        arrays: Any = (self.embeddings_SVD, self.poses_SV5, self.histograms_SVH, self.points_SP3)
        return [
            name for name, array in zip(ROW_ARRAYS, arrays, strict=True) if not np.isfinite(array[row]).all()
        ]


def open_cache(folder: str | os.PathLike[str], *, writable: bool = False) -> Cache:
    """Maps the arrays of a cache.

    Args:
        folder: a finished cache, or an unfinished one when `writable`.
        writable: whether rows can be written.

    Returns:
        The cache; nothing is read until rows are used.

    Raises:
        FileNotFoundError: there is no finished cache; the message mentions an unfinished one.
        ValueError: a file of the cache is damaged.
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
        FileNotFoundError: there is no cache.
        ValueError: a file of the cache is damaged.
    """
    if not (folder / MANIFEST).is_file():
        unfinished = " (an unfinished one exists: run the same command again)"
        raise FileNotFoundError(f"{folder}: no cache{unfinished if partial_folder(folder).is_dir() else ''}")

    def array(name: str) -> Any:
        try:
            return np.asanyarray(np.load(folder / f"{name}.npy", mmap_mode="r+" if writable else "r"))
        except (OSError, ValueError, EOFError, SyntaxError) as error:
            raise ValueError(f"{folder / name}.npy: damaged or missing ({error})") from error

    manifest = read_manifest(folder)
    dense: dict[str, Any] = {}
    if "dense" in manifest:
        dense = {"dense_SKC": array("dense"), "dense_seen_SK": array("dense_seen")}
        if "seal" in manifest or (folder / f"{BASIS}.npy").is_file():
            dense["basis_XM"] = array(BASIS)
    return Cache(
        embeddings_SVD=FloatRows(array("embeddings")),
        poses_SV5=array("poses"),
        histograms_SVH=array("histograms"),
        points_SP3=array("points"),
        done_S=array("done"),
        checksums_S=array("checksums") if (folder / "checksums.npy").is_file() else None,
        sources_S=array(SOURCES) if (folder / f"{SOURCES}.npy").is_file() else None,
        manifest=manifest,
        **dense,
    )
