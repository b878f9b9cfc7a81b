"""`crossjepa index`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from crossjepa.cli import options
from crossjepa.defaults import AZIMUTHS, ELEVATIONS


def index(
    output: Annotated[Path, arg(aliases=["-o"], metavar="INDEX")],
    inputs: Annotated[
        tuple[Path, ...], Positional, arg(metavar="FILE-or-FOLDER ..."), options.unset("none")
    ] = (),
    model: options.Model = options.DEFAULT_MODEL,
    remove: Annotated[tuple[Path, ...], arg(metavar="FILE-or-FOLDER ..."), options.unset("none")] = (),
    prune: options.Flag = False,
    no_views: options.Flag = False,
    azimuths: int = len(AZIMUTHS),
    elevations: tuple[float, ...] = ELEVATIONS,
    teacher: Annotated[str, options.unset("the first of the weights")] = "",
    up_axis: options.UpAxis = None,
    batch_size: options.BatchSize = 16,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> int:
    """Make an index of shapes, or bring it up to date.

    Only new and changed files are encoded.

    Args:
        output: folder of the index.
        inputs: point clouds and meshes, or folders of them, to add.
        remove: files, or folders with all files below them, to remove from the index.
        prune: remove files that no longer exist.
        no_views: predict no views; such an index cannot be searched by pictures.
        azimuths: number of directions about the vertical axis from which views are predicted.
        elevations: degrees above the horizon of each of them.
        teacher: image model whose embeddings of views are stored, of weights with several.
    """
    if not (inputs or remove or prune):
        raise ValueError("nothing to do: give files or folders to add, --remove, or --prune")

    from crossjepa.device import resolve_device
    from crossjepa.index import IndexReport, ViewGrid, build_index, prune_index, remove_from_index

    report, removed, left_out = IndexReport(), list[str](), list[str]()
    if remove:
        removed += remove_from_index(output, remove)
    if prune:
        removed += prune_index(output)
    if inputs:
        grid = None if no_views else ViewGrid(_around(azimuths), elevations)
        files, left_out = options.list_inputs([str(each) for each in inputs])
        report = build_index(
            files, output, model, grid=grid, teacher=teacher, up_axis=up_axis, batch_size=batch_size,
            device=str(resolve_device(device)), progress=False if quiet or no_progress else None,
        )  # fmt: skip
    done = len(report.added) + len(report.changed) + report.unchanged
    code = options.finish(done, report.errors, [] if quiet else left_out)
    counts = {
        "added": len(report.added), "changed": len(report.changed), "unchanged": report.unchanged,
        "removed": len(removed),
    }  # fmt: skip
    if json:
        skipped = [{"file": error.source, "reason": error.reason} for error in report.errors]
        options.print_json({"output": str(output), **counts, "skipped": skipped, "left_out": left_out})
    elif not quiet:
        print(f"{output}: {', '.join(f'{count} {name}' for name, count in counts.items())}")
    return code


def _around(count: int) -> tuple[float, ...]:
    """Returns so many equally spaced azimuths."""
    if not 1 <= count <= 360:
        raise ValueError(f"azimuths must be from 1 to 360, not {count}")
    return tuple(360 * number / count for number in range(count))
