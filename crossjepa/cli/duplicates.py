"""`crossjepa duplicates`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from crossjepa.cli import options
from crossjepa.defaults import DUPLICATE_SIMILARITY
from crossjepa.errors import PointCloudError


def duplicates(
    folder: Annotated[Path, Positional, arg(metavar="FOLDER-or-INDEX")],
    similarity: float = DUPLICATE_SIMILARITY,
    model: options.Model = options.DEFAULT_MODEL,
    batch_size: options.BatchSize = 32,
    up_axis: options.UpAxis = None,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> int:
    """List files that are nearly the same object.

    Prints number of the group, similarity to the nearest file of it, and file, separated by tabs.

    Args:
        folder: folder of point clouds and meshes, or an index made by `crossjepa index`, which has their
            features.
        similarity: cosine of standardized features from which on two files count as the same object.
        model: name, org/repo on the Hub, or folder of weights; an index has its own.
    """
    if not -1 <= similarity <= 1:
        raise ValueError(f"similarity must be from -1 to 1, not {similarity}")

    from crossjepa.device import resolve_device
    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.index.duplicates import group_duplicates
    from crossjepa.index.table import IndexTables, is_index

    errors, left_out = dict[int, PointCloudError](), list[str]()
    if is_index(folder):
        names, vectors_nE = IndexTables.open(folder).vectors()
    else:
        encoder = CrossJEPAEncoder.from_pretrained(model, device=resolve_device(device))
        files, left_out = options.list_inputs([str(folder)])
        features_nE = encoder.encode(
            files, batch_size=batch_size, up_axis=up_axis, on_error=errors.__setitem__,
            progress=False if quiet or no_progress else None,
        )  # fmt: skip
        used = [row for row in range(len(files)) if row not in errors]
        names, vectors_nE = [str(files[row]) for row in used], encoder.standardize(features_nE[used])
    groups = group_duplicates(names, vectors_nE, similarity)
    code = options.finish(len(names), list(errors.values()), [] if quiet else left_out)
    if json:
        options.print_json([[{"file": file, "similarity": near} for file, near in group] for group in groups])
    for number, group in enumerate([] if json else groups, 1):
        for file, near in group:
            print(f"{number}\t{near:.4f}\t{file}")
    return code
