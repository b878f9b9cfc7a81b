"""`crossjepa cache` and `crossjepa cache-info`."""

from __future__ import annotations

import json as plain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, UseAppendAction, arg

from crossjepa.cli import options
from crossjepa.cli.cluster import DEFAULT_CLUSTER, Cluster
from crossjepa.cli.render import DEFAULT_PICTURES, Pictures
from crossjepa.defaults import DEFAULT_TEACHER, Embedding

if TYPE_CHECKING:
    from crossjepa.train.cache import Cache


def cache(
    data: Annotated[tuple[str, ...], Positional, options.several("DATA"), options.required("DATA")],
    output: options.Folder,
    teacher: Annotated[
        UseAppendAction[tuple[str, ...]], arg(metavar="NAME-or-FILE"), options.unset(DEFAULT_TEACHER)
    ] = (),
    embedding: Annotated[UseAppendAction[tuple[Embedding, ...]], options.unset("cls")] = (),
    join: options.Flag = False,
    dense: int = 0,
    dense_channels: int = 64,
    dense_basis: Annotated[
        Path | None, arg(metavar="CACHE"), options.unset("made from some of the objects")
    ] = None,
    workers: Annotated[
        int | None, options.unset("one per CPU, up to 8; one with a GPU or under torchrun")
    ] = None,
    split: Annotated[str | None, options.unset("must be given if an archive has several")] = None,
    shapes: options.Shapes = None,
    difficulty: options.Difficulty = "easy",
    skip_bad: options.Flag = False,
    pictures: Pictures = DEFAULT_PICTURES,
    cluster: Cluster = DEFAULT_CLUSTER,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> int:
    """Embed views of objects with image teachers, once, for pretraining.

    Args:
        data: folders of files or of renderings, files, or clouds in one npz.
        output: folder of the cache; an unfinished one is continued.
        teacher: timm name, whose weights come from the Hugging Face Hub, or a local ARCHITECTURE.safetensors;
            given several times, each embeds the same pictures, and the embeddings lie side by side.
        embedding: class token or pooled map, mean of the patches, both, or statistics of the last layers; one
            for all teachers, or as often as there are teachers, in their order.
        join: DATA are caches of the same objects and pictures by different teachers: they become one.
        dense: also store what the first teacher's maps hold at so many points of each object, for
            `dense_weight` of `crossjepa pretrain`; 0 for none.
        dense_channels: numbers kept of each of these.
        dense_basis: a cache with dense targets of the same teacher; give it if both are to be trained on.
        workers: processes; with `--engine ray`, by default as many as there is room for.
        split: which split of archives of clouds, or all.
        skip_bad: leave out objects that cannot be used; the exit code is 1 if there are any.
    """
    from crossjepa.datasets import open_dataset
    from crossjepa.device import resolve_device
    from crossjepa.train.cache import CacheConfig, DenseConfig, default_workers, join_teachers, make_cache

    if join:
        if teacher or embedding or dense or dense_basis:
            raise ValueError(
                "--join takes caches, which know their teachers: omit --teacher and --embedding, and --dense"
            )
        cluster.require_local("caches are joined by this process")
        return _summarize(join_teachers(data, output), output, quiet, json)
    targets = DenseConfig(dense, dense_channels, str(dense_basis or "")) if dense else None
    if dense_basis and not dense:
        raise ValueError("--dense-basis is of use only with --dense POINTS")
    on_ray = cluster.config(workers, device) if cluster.engine == "ray" else None
    place = "cpu" if on_ray else str(resolve_device(device))
    config = CacheConfig(teacher or DEFAULT_TEACHER, embedding or "cls", pictures.config(), targets)
    dataset = open_dataset(
        data, split=split, up_axis=pictures.up_axis, shapes=shapes, difficulty=difficulty, skip_bad=skip_bad
    )
    made = make_cache(
        dataset, output, config, workers=workers or default_workers(place), device=place,
        skip_bad=skip_bad, progress=not (quiet or no_progress), cluster=on_ray,
    )  # fmt: skip
    if made is None:  # other ranks are still at work
        return 0
    return _summarize(made, output, quiet, json)


def _summarize(made: Cache, output: Path, quiet: bool, json: bool) -> int:
    """Says what is in a finished cache, and returns the exit code."""
    (objects, views, width), left_out = made.embeddings_SVD.shape, made.manifest.get("left_out", [])
    if json:
        facts = {"objects": objects, "views": views, "width": width, "left_out": left_out}
        options.print_json({"output": str(output), **facts})
    elif not quiet:
        print(f"{output}: {objects} objects, {views} views each, {width} numbers per view")
    options.print_problems([f"{name}: left out of the cache" for name in left_out], "skipped ")
    return 1 if left_out else 0


def cache_info(cache: Annotated[Path, Positional, arg(metavar="FOLDER")], json: options.Json = False) -> int:
    """Verify a cache and say what is in it.

    Args:
        cache: folder of a cache, finished or not.
    """
    from crossjepa.train.cache import check_cache

    report = check_cache(cache)
    if json:
        options.print_json({**report.facts, "problems": report.problems})
    else:
        for name, value in report.facts.items():
            print(f"{name}: {value if isinstance(value, str) else plain.dumps(value)}")
        print("damaged or unfinished" if report.problems else "complete: everything checked")
    options.print_problems([f"{cache}: {problem}" for problem in report.problems])
    return 1 if report.problems else 0
