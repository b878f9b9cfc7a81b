"""Caches of the same pictures by different teachers become one, as if it had been made in one pass.

S objects, V views
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossjepa.locks import in_use, locked
from crossjepa.train.cache.build import finished_cache
from crossjepa.train.cache.cache import Cache, open_cache
from crossjepa.train.cache.dense import write_basis
from crossjepa.train.cache.layout import finish_cache, start_cache
from crossjepa.train.cache.manifest import FORMAT, partial_folder
from crossjepa.train.cache.teachers import channels_of, check_distinct

# What does not depend on the teacher.
SHARED = ("points_SP3", "poses_SV5", "histograms_SVH")


def join_teachers(folders: Sequence[str | os.PathLike[str]], folder: str | os.PathLike[str]) -> Cache:
    """Joins caches of the same objects and pictures that different teachers embedded.

    The result has the content and the recipe hash of a cache made with all teachers at once, whose dense
    targets are those of the first. A killed run is started again with the same call; the caches themselves
    are only read.

    Args:
        folders: two or more finished caches, in the order in which their embeddings will lie side by side.
        folder: where the joined cache will be.

    Returns:
        The finished cache.

    Raises:
        FileNotFoundError: a cache does not exist or is unfinished.
        ValueError: objects, points or pictures differ, a teacher is given twice, a cache is damaged, or a
            cache of another recipe is in the way; the message says which.
    """
    if len(folders) < 2:
        raise ValueError("give at least two caches to join")
    caches, folder = [open_cache(each) for each in folders], Path(folder)
    for cache, path in zip(caches, folders, strict=True):
        others = sorted({file.stem for file in Path(path).glob("*.npy")} - set(cache.arrays))
        if others:
            raise ValueError(f"{path}: cannot be joined, it also holds {', '.join(others)}")
    check_distinct([(each.name, each.weights_sha256) for cache in caches for each in cache.teachers])
    for other, path in zip(caches[1:], folders[1:], strict=True):
        if difference := _difference(caches[0], other):
            raise ValueError(f"{folders[0]} and {path} cannot be joined: {difference}")
    recipe, manifest = _recipe(caches), caches[0].manifest
    teachers = [teacher for cache in caches for teacher in cache.teachers]
    channels = channels_of([teacher.width for teacher in teachers])
    parts = dict(zip([teacher.name for teacher in teachers], channels, strict=True))
    about = {"timm": "+".join(dict.fromkeys(str(cache.manifest.get("timm")) for cache in caches))}
    if "left_out" in manifest:
        about["left_out"] = manifest["left_out"]
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with in_use(folder), locked(folder):
        finished = finished_cache(folder, recipe)
        if finished is not None:
            return finished
        start_cache(
            folder, manifest["names"], recipe, views=caches[0].views, points=caches[0].points_SP3.shape[1],
            width=channels[-1][1], parts=parts, about=about,
            dense=(caches[0].dense_points, caches[0].dense_channels) if caches[0].dense_points else None,
        )  # fmt: skip
        if caches[0].basis_XM is not None:
            write_basis(partial_folder(folder), caches[0].basis_XM)
        _fill(open_cache(partial_folder(folder), writable=True), caches, folders)
        finish_cache(folder)
        # Removes the lock file too: whoever waits for the lock finds the finished cache.
        return finished_cache(folder, recipe) or open_cache(folder)


def _recipe(caches: Sequence[Cache]) -> dict[str, Any]:
    recipes = [cache.manifest["recipe"] for cache in caches]
    facts = [each["teacher"] if isinstance(each["teacher"], list) else [each["teacher"]] for each in recipes]
    return {**recipes[0], "teacher": [teacher for teachers in facts for teacher in teachers]}


def _difference(first: Cache, second: Cache) -> str:
    """Returns what differs between two caches beside their teachers, apart from the arrays; "" if nothing."""
    one, two = first.manifest, second.manifest
    for manifest in (one, two):
        if manifest.get("format") != FORMAT:
            return f"one is of format {manifest.get('format')}; make it again"
    recipes = one["recipe"], two["recipe"]
    for name in sorted({*recipes[0], *recipes[1]} - {"teacher", "names", "dense"}):
        if recipes[0].get(name) != recipes[1].get(name):
            return f"their {name} differ: {recipes[0].get(name)} and {recipes[1].get(name)}"
    if recipes[0].get("names") != recipes[1].get("names") or one["names"] != two["names"]:
        return "their objects differ"
    if second.dense_points and not first.dense_points:
        return "dense targets are those of the first cache, which has none"
    if one.get("left_out") != two.get("left_out"):
        return "the objects that were left out differ"
    for name in SHARED:
        shapes = getattr(first, name).shape, getattr(second, name).shape
        if shapes[0] != shapes[1]:
            return f"their {name.partition('_')[0]} have the shapes {shapes[0]} and {shapes[1]}"
    return ""


def _fill(joined: Cache, caches: Sequence[Cache], folders: Sequence[str | os.PathLike[str]]) -> None:
    """Writes every row, also those that a killed run has written: the caches may have been made again.

    Raises:
        ValueError: rows of a cache are damaged, or points, poses or histograms differ.
    """
    joined.done_S[:] = False
    first, names = caches[0], joined.manifest["names"]
    for row, name in enumerate(names):
        for cache, path in zip(caches, folders, strict=True):
            if cache.checksums_S is None or cache.row_checksum(row) != cache.checksums_S[row]:
                raise ValueError(f"{path}: {name} is damaged; make the cache again")
            for array in SHARED:
                if getattr(cache, array)[row].tobytes() != getattr(first, array)[row].tobytes():
                    what = f"the {array.partition('_')[0]} of {name}"
                    raise ValueError(f"{folders[0]} and {path} cannot be joined: {what} differ")
        embeddings_VD = np.concatenate([cache.embeddings_SVD[row] for cache in caches], axis=1)
        joined.write_row(
            row, embeddings_VD, first.poses_SV5[row], first.histograms_SVH[row], first.points_SP3[row],
            dense=first.dense_row(row),
        )  # fmt: skip
