"""How a cache starts, empty, and how it is finished.

S objects

While it is being made, its folder has the suffix `.partial` and `done.npy` marks the finished objects; a
killed run resumes with the others.
"""

import errno
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.datasets.cameras import POSE_FIELDS
from crossjepa.files import fill_holes, write_json
from crossjepa.hashing import recipe_hash
from crossjepa.train.cache.arrays import file_sha256
from crossjepa.train.cache.cache import BASIS, HISTOGRAM_BINS, SOURCES, Cache, open_cache
from crossjepa.train.cache.manifest import FORMAT, MANIFEST, partial_folder, read_manifest, seal


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
    dense: tuple[int, int] | None = None,
) -> Path:
    """Creates an empty cache, or finds the unfinished one of the same recipe.

    Args:
        folder: where the finished cache will be.
        names: name of each object.
        recipe: everything that determines the content: data, renderer, teacher. Not the content of files that
            can be repaired while the cache is made: the fingerprints of the rows stand for that.
        views: views per object (V).
        points: stored points per object (P).
        width: channels of the teacher (D).
        parts: first channel, and the one after the last, of each kind of embedding.
        about: further facts that do not determine the content.
        finished: the recipe for `finish_cache`, if it differs.
        dense: points with dense targets per object and channels of these (K, C), None for none; their basis
            has yet to be written to the folder.

    Returns:
        The folder of the unfinished cache.

    Raises:
        ValueError: there is an unfinished cache of another recipe, or with other numbers of views or
            channels.
        OSError: the disk has no room for the cache; what was not there before is removed.
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
        **({"dense": dict(zip(("points", "channels"), dense, strict=True))} if dense else {}),
        "names": list(names),
    }
    if (partial / MANIFEST).is_file():
        found = read_manifest(partial)
        # Killed just before it was finished, or started by an earlier version, it has the finished recipe.
        known = [recipe_hash(known) for known in (recipe, finished or recipe)]
        if found.get("format") != FORMAT or found["recipe_hash"] not in known:
            raise ValueError(
                f"{partial}: unfinished cache of another recipe ({found['recipe_hash']}); remove it or "
                "change the name"
            )
        # The recipe of existing pictures names no rig, and they can be rendered again with another one.
        for number, what in (("views", "views per object"), ("width", "numbers per view")):
            if found.get(number) != manifest[number]:
                raise ValueError(
                    f"{partial}: unfinished cache of {found.get(number)} {what}, not {manifest[number]}; "
                    "remove it or change the name"
                )
        with _room_for(partial, sum(path.stat().st_size for path in partial.glob("*.npy"))):
            _fill_holes(partial)
        return partial
    partial.mkdir(parents=True, exist_ok=True)
    try:
        _lay_out(partial, len(names), views, points, width, dense)
        write_json(partial / MANIFEST, manifest)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return partial


def _lay_out(
    folder: Path, rows: int, views: int, points: int, width: int, dense: tuple[int, int] | None
) -> None:
    layout: dict[str, tuple[type, tuple[int, ...]]] = {
        "embeddings": (np.uint16, (rows, views, width)),
        "poses": (np.float32, (rows, views, len(POSE_FIELDS))),
        "histograms": (np.float16, (rows, views, HISTOGRAM_BINS)),
        "points": (np.float16, (rows, points, 3)),
        "checksums": (np.uint32, (rows,)),
        "done": (np.bool_, (rows,)),
        SOURCES: (np.uint64, (rows,)),
    }
    if dense:
        layout |= {"dense": (np.int8, (rows, *dense)), "dense_seen": (np.uint8, (rows, dense[0]))}
    needed = sum(math.prod(shape) * np.dtype(dtype).itemsize for dtype, shape in layout.values())
    with _room_for(folder, needed):
        for name, (dtype, shape) in layout.items():
            np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape).flush()
        _fill_holes(folder)


def _fill_holes(folder: Path) -> None:
    """Reserves the blocks of the arrays: who maps a hole and writes to it on a full disk does not survive."""
    for path in folder.glob("*.npy"):
        with path.open("r+b") as file:
            fill_holes(file.fileno(), path.stat().st_size)


@contextmanager
def _room_for(folder: Path, needed: int) -> Iterator[None]:
    """Says how much room the arrays need if the disk has not enough."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        free = shutil.disk_usage(folder).free
        said = f"{error.strerror}: the arrays need {needed / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free"
        raise OSError(error.errno, said, os.fspath(folder)) from error


def finish_cache(
    folder: str | os.PathLike[str],
    *,
    leave_out: Sequence[int] = (),
    recipe: Mapping[str, Any] | None = None,
) -> Cache:
    """Checks that every row is stored and finite, adds checksums, and gives the folder its final name.

    Args:
        folder: where the finished cache will be.
        leave_out: rows to leave out.
        recipe: everything that determined the content, if that is more than the cache was started with.

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
    manifest, arrays = dict(cache.manifest), cache.arrays
    del cache
    if recipe is not None:
        manifest.update(recipe=dict(recipe), recipe_hash=recipe_hash(recipe))
    manifest["sha256"] = {name: file_sha256(partial / f"{name}.npy") for name in arrays}
    manifest["seal"] = seal(manifest)
    write_json(partial / MANIFEST, manifest)
    (partial / f"{SOURCES}.npy").unlink(missing_ok=True)
    partial.rename(folder)
    shutil.rmtree(partial_folder(folder), ignore_errors=True)
    return open_cache(folder)


def _without_rows(cache: Cache, partial: Path, kept: NDArray[np.int64]) -> Path:
    """Copies the kept rows of a cache to a new folder beside it."""
    smaller = partial.with_suffix(".smaller")
    shutil.rmtree(smaller, ignore_errors=True)
    smaller.mkdir()
    _, views, width = cache.embeddings_SVD.shape
    dense = (cache.dense_points, cache.dense_channels) if cache.dense_points else None
    _lay_out(smaller, len(kept), views, cache.points_SP3.shape[1], width, dense)
    for name in cache.arrays:
        if name == BASIS:
            shutil.copy(partial / f"{name}.npy", smaller)
            continue
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
