"""Verification of a cache, and a summary of its content.

S objects, V views, D teacher width
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crossjepa.datasets.cameras import POSE_FIELDS
from crossjepa.hashing import file_digest, recipe_hash
from crossjepa.train.cache.cache import BASIS, HISTOGRAM_BINS, Cache, map_cache
from crossjepa.train.cache.manifest import MANIFEST, partial_folder, seal

# Rows whose embeddings are read for the summary.
SAMPLED_ROWS = 2000
_SHOWN = 5


@dataclass
class CacheReport:
    """Content and problems of a cache.

    Attributes:
        facts: a summary, in the order in which it is shown.
        problems: one line each; empty if the cache is valid.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def check_cache(folder: str | os.PathLike[str]) -> CacheReport:
    """Verifies manifest, checksums, shapes, and that all values are finite and in range.

    Args:
        folder: folder of a finished or unfinished cache.

    Returns:
        The report.

    Raises:
        FileNotFoundError: there is no cache.
    """
    folder, report = Path(folder), CacheReport()
    if not (folder / MANIFEST).is_file() and (partial_folder(folder) / MANIFEST).is_file():
        folder = partial_folder(folder)
    try:
        cache = map_cache(folder)
    except ValueError as error:
        return CacheReport({"folder": str(folder)}, [str(error)])
    report.facts = _facts(folder, cache)
    problems = _shape_problems(cache)
    if cache.is_finished:
        problems += _checksum_problems(folder, cache)
    else:
        report.problems.append(f"unfinished: {cache.progress}")
    report.problems += problems
    if not problems:
        report.problems += _value_problems(cache)
        report.facts.update(_statistics(cache))
    return report


def _facts(folder: Path, cache: Cache) -> dict[str, Any]:
    manifest = cache.manifest
    recipe = manifest.get("recipe", {})
    teacher = recipe.get("teacher")
    objects, views, width = cache.embeddings_SVD.shape
    size = sum(path.stat().st_size for path in folder.glob("*.npy"))
    return {
        "folder": str(folder),
        "format": manifest.get("format"),
        "objects": objects,
        "left out": len(manifest.get("left_out", [])),
        "views": views,
        "embedding": f"{width} x {'bfloat16' if cache.embeddings_SVD.is_bfloat16 else 'float16'}",
        "parts": manifest.get("parts", {"cls": [0, width]}),
        "points": cache.points_SP3.shape[1],
        "teachers" if isinstance(teacher, list) else "teacher": teacher,
        **({"dense": manifest["dense"]} if "dense" in manifest else {}),
        "render": recipe.get("render", recipe.get("rig")),
        "recipe": manifest.get("recipe_hash"),
        "megabytes": round(size / 1e6, 1),
    }


def _shape_problems(cache: Cache) -> list[str]:
    manifest, problems = cache.manifest, list[str]()
    objects, views = len(manifest["names"]), manifest.get("views")
    expected = {
        "embeddings": (cache.embeddings_SVD.shape, (objects, views, manifest.get("width"))),
        "poses": (cache.poses_SV5.shape, (objects, views, len(POSE_FIELDS))),
        "histograms": (cache.histograms_SVH.shape, (objects, views, HISTOGRAM_BINS)),
        "points": (cache.points_SP3.shape, (objects, cache.points_SP3.shape[1], 3)),
        "done": (cache.done_S.shape, (objects,)),
    }
    if cache.checksums_S is not None:
        expected["checksums"] = (cache.checksums_S.shape, (objects,))
    if cache.dense_SKC is not None and cache.dense_seen_SK is not None:
        points, channels = manifest["dense"]["points"], manifest["dense"]["channels"]
        expected["dense"] = (cache.dense_SKC.shape, (objects, points, channels))
        expected["dense_seen"] = (cache.dense_seen_SK.shape, (objects, points))
    if cache.basis_XM is not None:
        expected[BASIS] = (cache.basis_XM.shape, (cache.dense_channels + 1, cache.basis_XM.shape[1]))
    for name, (found, wanted) in expected.items():
        if tuple(found) != wanted:
            problems.append(f"{name}.npy: shape {found}, the manifest says {wanted}")
    return problems


def _checksum_problems(folder: Path, cache: Cache) -> list[str]:
    manifest, problems = cache.manifest, list[str]()
    if manifest.get("format") == 1:
        return problems
    if manifest.get("seal") != seal(manifest):
        problems.append(f"{MANIFEST}: its checksum is wrong")
    if manifest.get("recipe_hash") != recipe_hash(manifest.get("recipe", {})):
        problems.append(f"{MANIFEST}: its recipe is not the one that its hash names")
    sums = manifest.get("sha256", {})
    wrong = [name for name in cache.arrays if sums.get(name) != file_digest(folder / f"{name}.npy")]
    problems += [f"{name}.npy: its checksum is wrong" for name in wrong]
    if wrong:
        names = [manifest["names"][row] for row in cache.damaged_rows()]
        problems += [f"{len(names)} damaged objects: {_some(names)}"] if names else []
    return problems


def _value_problems(cache: Cache) -> list[str]:
    names, problems = cache.manifest["names"], list[str]()
    done = np.flatnonzero(cache.done_S)
    missing = len(cache) - len(done)
    if missing and "sha256" in cache.manifest:
        problems.append(f"{missing} objects are missing")
    bad = [names[row] for row in cache.bad_rows()]
    if bad:
        problems.append(f"{len(bad)} objects with values that are not finite: {_some(bad)}")
        return problems
    empty = [names[row] for row in done if not cache.embeddings_SVD.stored[row].any()]
    if empty:
        problems.append(f"{len(empty)} objects without an embedding: {_some(empty)}")
    sums = np.asarray(cache.histograms_SVH[done], np.float32).reshape(-1, 3, HISTOGRAM_BINS // 3).sum(axis=2)
    if len(done) and np.abs(sums - 1).max() > 0.02:
        problems.append("color histograms that do not sum to one")
    radii = [
        float(np.linalg.norm(np.asarray(cache.points_SP3[row], np.float32), axis=1).max()) for row in done
    ]
    if radii and max(radii) > 1.01:
        problems.append(f"points outside the unit sphere, at a radius of {max(radii):.3f}")
    return problems


def _statistics(cache: Cache) -> dict[str, Any]:
    done = np.flatnonzero(cache.done_S)
    if not len(done):
        return {}
    rows = done[np.linspace(0, len(done) - 1, min(len(done), SAMPLED_ROWS)).astype(int)]
    embeddings_RD = cache.embeddings_SVD[rows].reshape(-1, cache.embeddings_SVD.shape[2])
    poses_R5 = np.asarray(cache.poses_SV5[rows]).reshape(-1, len(POSE_FIELDS))
    spans = zip(POSE_FIELDS, poses_R5.min(axis=0), poses_R5.max(axis=0), strict=True)
    spread_D = embeddings_RD.std(axis=0)
    dense = {}
    if cache.dense_seen_SK is not None:
        dense["share of points with dense targets"] = round(float((cache.dense_seen_SK[rows] > 0).mean()), 4)
    return {
        **dense,
        "mean norm": round(float(np.linalg.norm(embeddings_RD, axis=1).mean()), 4),
        "mean spread of a channel": round(float(spread_D.mean()), 4),
        "constant channels": int((spread_D == 0).sum()),
        "poses": {name: [round(float(low), 2), round(float(high), 2)] for name, low, high in spans},
    }


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
