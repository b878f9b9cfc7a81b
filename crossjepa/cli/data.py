"""`crossjepa data`: the known data sets, and whether data are complete before hours are spent on them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from crossjepa.cli import options

if TYPE_CHECKING:
    from crossjepa.datasets import Check


def list_datasets(
    name: Annotated[str | None, Positional, arg(metavar="[NAME]"), options.unset("one line for each")] = None,
    json: options.Json = False,
) -> int:
    """List the known data sets, or show everything about one.

    Args:
        name: data set to show: where to get it, its layout on the disk, checksums.
    """
    from crossjepa.datasets.catalog import SOURCES, find_source

    sources = [find_source(name)] if name else list(SOURCES.values())
    if json:
        facts = [vars(source).items() for source in sources]
        options.print_json([{name: value for name, value in each if not callable(value)} for each in facts])
    elif name:
        print(sources[0].instructions())
    else:
        print("\n".join(f"{source.name}\t{source.description}" for source in sources))
    return 0


def check(
    name: Annotated[str, Positional, arg(metavar="NAME")],
    path: Annotated[Path, Positional, arg(metavar="PATH")],
    json: options.Json = False,
) -> int:
    """Read a data set once and compare it with what is known of it.

    Args:
        name: which data set it is, see `crossjepa data list`.
        path: its folder or file.
    """
    from crossjepa.datasets import check as check_dataset

    found = check_dataset(name, path)
    if json:
        options.print_json([each.to_dict() for each in found])
    else:
        print("\n".join(map(_describe, found)))
    options.print_problems([problem for each in found for problem in each.problems])
    return 0 if all(each.is_valid for each in found) else 1


def _describe(found: Check) -> str:
    splits = ", ".join(f"{split} {count:,}" for split, count in found.counts.items())
    parts = f", {found.parts} parts" if found.parts else ""
    points = "-".join(f"{count:,}" for count in sorted(set(found.points)))
    verified = f"{found.verified} files with the published MD5\n" if found.verified else ""
    state = "complete" if found.is_valid else "NOT AS EXPECTED"
    return (
        f"{found.name} ({found.layout}): {state}\n{splits}; {found.classes} classes{parts}; {points} points\n"
        f"{verified}sha256 {found.checksum}"
    )


def check_tree(
    folder: Annotated[Path, Positional, arg(metavar="FOLDER")],
    shapes: options.Shapes = None,
    difficulty: options.Difficulty = "easy",
    json: options.Json = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> int:
    """Check a folder of renderings before a cache is made of it.

    Reads the camera table, the first picture and the shape of every object.

    Args:
        folder: renderings in the layout of 3D-R2N2, DISN or `crossjepa render`.
    """
    from crossjepa.datasets.check_renderings import check_renderings
    from crossjepa.datasets.renderings import open_renderings
    from crossjepa.train.pretrain.dry_run import cache_gigabytes

    tree = open_renderings(folder, shapes, difficulty=difficulty)
    if tree is None:
        raise ValueError(f"{folder}: no renderings in the layout of 3D-R2N2, DISN or `crossjepa render`")
    report = check_renderings(tree, progress=sys.stderr.isatty() and not (quiet or no_progress))
    usable = report.objects - len(report.problems)
    size = cache_gigabytes(usable, report.views)
    if json:
        options.print_json({**asdict(report), "cache_gigabytes": size})
    else:
        print(f"{report}\ncache        {size:.1f} GB, {usable * report.views:,} views to embed")
    return 1 if report.problems else 0
