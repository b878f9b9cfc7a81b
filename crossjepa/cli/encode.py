"""`crossjepa encode`.

n files, N points, C encoder width, E embedding width
"""

from __future__ import annotations

import json as plain
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from tyro.conf import arg

from crossjepa.cli import options
from crossjepa.config import Pooling
from crossjepa.device import resolve_device
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.errors import PointCloudError
from crossjepa.files import atomic_write, member_name, write_npz
from crossjepa.similarity import quantize_embeddings


def encode(
    inputs: options.Inputs,
    output: Annotated[Path, arg(aliases=["-o"])],
    model: options.Model = options.DEFAULT_MODEL,
    per_point: options.Flag = False,
    pool: Annotated[
        Pooling | None, options.one_of(*get_args(Pooling)), options.unset("that of the model")
    ] = None,
    batch_size: options.BatchSize = 32,
    up_axis: options.UpAxis = None,
    outliers: options.Outliers = None,
    device: options.Device = "auto",
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
    precision: Literal["float32", "int8"] = "float32",
    json: options.Json = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> int:
    """Write features of files and folders.

    Args:
        output: .npz or .safetensors file for the features.
        per_point: write a feature for every point or vertex instead of one per file.
        pool: pooling of tokens to one feature per file.
        dtype: type of the weights and the arithmetic.
        precision: type of the features in the file; int8 takes a quarter of the room, with a factor for each
            feature in `scales`.
    """
    options.check_output(output, (".npz", ".safetensors"))
    if batch_size < 1:
        raise ValueError(f"batch size must be at least 1, not {batch_size}")
    if per_point and precision == "int8":
        raise ValueError("--precision int8 is for one feature per file, not for --per-point")
    encoder = CrossJEPAEncoder.from_pretrained(
        model, device=resolve_device(device), dtype=getattr(torch, dtype)
    )
    options.choose_outliers(encoder, outliers)
    files, left_out = options.list_inputs(inputs, output)
    errors = dict[int, PointCloudError]()
    found: Sequence[NDArray[np.float32]] | NDArray[np.float32]
    if per_point:
        found = encoder.encode_points(files, up_axis=up_axis, on_error=errors.__setitem__)
    else:
        found = encoder.encode(
            files, pool=pool, batch_size=batch_size, up_axis=up_axis, on_error=errors.__setitem__,
            progress=False if quiet or no_progress else None,
        )  # fmt: skip
    features = {str(file): found[row] for row, file in enumerate(files) if row not in errors}
    if features:  # before anything is printed to what may be closed
        write_features(output, features, per_point=per_point, precision=precision)
    code = options.finish(len(features), list(errors.values()), [] if quiet else left_out)
    if json:
        width = encoder.num_features if per_point else encoder.embedding_width(pool)
        skipped = [{"file": error.source, "reason": error.reason} for error in errors.values()]
        facts = {"output": str(output), "model": model, "per_point": per_point, "feature_width": width}
        options.print_json({**facts, "files": list(features), "skipped": skipped, "left_out": left_out})
    elif not quiet:
        print(f"{output}: features of {len(features)} files from {model}")
    return code


def write_features(
    path: Path, features: dict[str, NDArray[np.float32]], *, per_point: bool, precision: str = "float32"
) -> None:
    """Writes features, completely or not at all.

    With one feature per file: an array `features` (n, E), with int8 the factors of its rows in `scales` (n,),
    and the names in `files` (npz) or, as JSON, in the metadata (safetensors). With one per point: one array
    (N, C) per file, under the name of the file; what of a name is not UTF-8 becomes \\udce9 and the like.
    """
    names = list(features)
    arrays: dict[str, NDArray[Any]] = dict(features)
    if not per_point:
        arrays = {"features": np.stack(list(features.values()))}
    if precision == "int8":
        codes_nE, scales_n = quantize_embeddings(arrays["features"])
        arrays = {"features": codes_nE, "scales": scales_n}
    if path.suffix == ".npz":
        write_npz(path, arrays if per_point else {**arrays, "files": np.array(names, dtype=str)})
    else:
        named = {member_name(name): array for name, array in arrays.items()}
        content = save(named, metadata={"files": plain.dumps(names)})
        atomic_write(path, lambda file: file.write(content))
