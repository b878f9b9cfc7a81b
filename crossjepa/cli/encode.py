"""The subcommand `encode`, in which one bad file does not cost the others.

n files, N points, C encoder width, E embedding width
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.files import atomic_write, write_npz


def encode_files(options: argparse.Namespace) -> int:
    """Runs `crossjepa encode`; returns the exit status."""
    import torch

    from crossjepa.encoder import CrossJEPAEncoder

    check_output(options.output)
    if options.batch_size < 1:
        raise ValueError(f"batch size must be at least 1, not {options.batch_size}")
    encoder = CrossJEPAEncoder.from_pretrained(
        options.model, device=options.device, dtype=getattr(torch, options.dtype)
    )
    files = list_inputs(options.inputs)
    errors: dict[int, PointCloudError] = {}
    if options.per_point:
        found = encoder.encode_points(files, up_axis=options.up_axis, on_error=errors.__setitem__)
    else:
        found = list(
            encoder.encode(
                files,
                pool=options.pool,
                batch_size=options.batch_size,
                up_axis=options.up_axis,
                on_error=errors.__setitem__,
                progress=False if options.no_progress else None,
            )
        )
    features = {str(file): found[row] for row, file in enumerate(files) if row not in errors}
    if features:
        write_features(options.output, features, per_point=options.per_point)
    print(f"{options.output}: features of {len(features)} files from {options.model}")
    for error in errors.values():
        print(f"crossjepa: skipped {error}", file=sys.stderr)
    return 1 if errors else 0


def list_inputs(inputs: Iterable[str]) -> list[Path]:
    """Replaces every folder by the readable files inside it; files stay, readable or not.

    Raises:
        PointCloudError: a folder holds no readable file.
    """
    from crossjepa.io import find_files

    files: list[Path] = []
    for name in inputs:
        found = find_files(name) if Path(name).is_dir() else [Path(name)]
        if not found:
            raise PointCloudError(name, "no point cloud or mesh file in this folder")
        files.extend(found)
    return files


def check_output(path: Path, suffixes: Sequence[str] = (".npz", ".safetensors")) -> None:
    """Refuses an output that could not be written, before any work is done.

    Raises:
        ValueError: the file has none of the suffixes, or its folder does not exist.
    """
    if path.suffix not in suffixes:
        raise ValueError(f"{path}: output must end in {' or '.join(suffixes)}")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path}: the folder does not exist")


def write_features(path: Path, features: dict[str, NDArray[np.float32]], *, per_point: bool) -> None:
    """Writes features, completely or not at all.

    With one feature per file: an array `features` (n, E) and the names in `files` (npz) or, as JSON, in the
    metadata (safetensors). With one per point: one array (N, C) per file, under the name of the file.

    Args:
        path: a .npz or .safetensors file.
        features: what to write, by the name of the file.
        per_point: whether there is one feature per point.
    """
    names = list(features)
    arrays = features if per_point else {"features": np.stack(list(features.values()))}
    if path.suffix == ".npz":
        write_npz(path, arrays if per_point else {**arrays, "files": np.array(names, dtype=str)})
    else:
        from safetensors.numpy import save

        content = save(arrays, metadata={"files": json.dumps(names)})
        atomic_write(path, lambda file: file.write(content))
