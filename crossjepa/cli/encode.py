"""`crossjepa encode`.

n files, N points, C encoder width, E embedding width
"""

from __future__ import annotations

import json as plain
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save
from tyro.conf import arg

from crossjepa.cli import options
from crossjepa.cli.cluster import DEFAULT_CLUSTER, Cluster
from crossjepa.config import Pooling
from crossjepa.defaults import SHARD_SIZE
from crossjepa.errors import PointCloudError
from crossjepa.files import atomic_write, member_name, write_npz

if TYPE_CHECKING:
    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.scale.encode_files import Summary
    from crossjepa.scale.feature_folder import EncodeOptions

_FILES = (".npz", ".safetensors")


def encode(
    inputs: options.Inputs,
    output: Annotated[str, arg(aliases=["-o"], metavar="PATH")],
    model: options.Model = options.DEFAULT_MODEL,
    per_point: options.Flag = False,
    pool: Annotated[
        Pooling | None, options.one_of(*get_args(Pooling)), options.unset("that of the model")
    ] = None,
    batch_size: options.BatchSize = 32,
    up_axis: options.UpAxis = None,
    outliers: options.Outliers = None,
    workers: Annotated[
        int | None,
        options.unset("0 for fewer than 256 files, else one per CPU but one, up to 16"),
    ] = None,
    shard_size: int = SHARD_SIZE,
    cluster: Cluster = DEFAULT_CLUSTER,
    device: options.Device = "auto",
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
    precision: Literal["float32", "int8"] = "float32",
    json: options.Json = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> int:
    """Write features of files and folders.

    Args:
        output: .npz or .safetensors file for the features; or a folder for Parquet shards, in which a killed
            run continues where it stopped.
        per_point: write a feature for every point or vertex instead of one per file.
        pool: pooling of tokens to one feature per file.
        workers: processes that read files while the network works, 0 for none; with `--engine ray`, processes
            that do both, by default as many as there is room for.
        shard_size: files per shard in a folder.
        dtype: type of the weights and the arithmetic.
        precision: type of the features in the file; int8 takes a quarter of the room, with a factor for each
            feature in `scales`.
    """
    is_folder = _is_folder(output)
    if is_folder and per_point:
        raise ValueError("--per-point writes a file: give -o NAME.npz or NAME.safetensors")
    if is_folder and precision == "int8":
        raise ValueError("--precision int8 writes a file: give -o NAME.npz or NAME.safetensors")
    if not is_folder:
        cluster.require_local("it writes Parquet shards: give a folder with -o")
        options.check_output(Path(output), _FILES)
    if batch_size < 1:
        raise ValueError(f"batch size must be at least 1, not {batch_size}")
    if per_point and precision == "int8":
        raise ValueError("--precision int8 is for one feature per file, not for --per-point")

    import torch

    from crossjepa.device import resolve_device
    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.scale.feature_folder import EncodeOptions
    from crossjepa.workers import suggested_workers

    encoder = CrossJEPAEncoder.from_pretrained(
        model,
        device=None if cluster.engine == "ray" else resolve_device(device),
        dtype=getattr(torch, dtype),
    )
    options.choose_outliers(encoder, outliers)
    files, left_out = options.list_inputs(inputs, Path(output))
    show = False if quiet or no_progress else None
    if workers is None and cluster.engine == "local":
        workers = 0 if per_point else suggested_workers(len(files))
    if is_folder:
        chosen = EncodeOptions(pool, up_axis=up_axis, batch_size=batch_size)
        return _encode_to_folder(
            encoder, files, Path(output), chosen, cluster, model=model, workers=workers, device=device,
            shard_size=shard_size, left_out=left_out, json=json, quiet=quiet,
            show=show is not False and len(files) > 4 * batch_size,
        )  # fmt: skip
    errors = dict[int, PointCloudError]()
    found: Sequence[NDArray[np.float32]] | NDArray[np.float32]
    if per_point:
        found = encoder.encode_points(files, up_axis=up_axis, on_error=errors.__setitem__)
    else:
        found = encoder.encode(
            files, pool=pool, batch_size=batch_size, up_axis=up_axis, on_error=errors.__setitem__,
            workers=workers or 0, progress=show,
        )  # fmt: skip
    features = {str(file): found[row] for row, file in enumerate(files) if row not in errors}
    if features:  # before anything is printed to what may be closed
        write_features(Path(output), features, per_point=per_point, precision=precision)
    code = options.finish(len(features), list(errors.values()), [] if quiet else left_out)
    if json:
        width = encoder.num_features if per_point else encoder.embedding_width(pool)
        skipped = [{"file": error.source, "reason": error.reason} for error in errors.values()]
        facts = {"output": output, "model": model, "per_point": per_point, "feature_width": width}
        options.print_json({**facts, "files": list(features), "skipped": skipped, "left_out": left_out})
    elif not quiet:
        print(f"{output}: features of {len(features)} files from {model}")
    return code


def _is_folder(output: str) -> bool:
    """Whether the output is a folder of shards: it ends in a slash, is a folder, or has no suffix."""
    path = Path(output)
    if path.suffix in _FILES and not output.endswith(("/", "\\")):
        return False
    if output.endswith(("/", "\\")) or path.is_dir() or not path.suffix:
        return True
    raise ValueError(f"{output}: output must end in .npz, .safetensors or, for a folder, in /")


def _encode_to_folder(
    encoder: CrossJEPAEncoder,
    files: Sequence[Path],
    output: Path,
    chosen: EncodeOptions,
    cluster: Cluster,
    *,
    model: str,
    workers: int | None,
    device: str,
    shard_size: int,
    left_out: Sequence[str],
    json: bool,
    quiet: bool,
    show: bool,
) -> int:
    from crossjepa.scale.encode_files import encode_files
    from crossjepa.scale.encode_on_ray import encode_on_ray

    def say(error: PointCloudError) -> None:
        options.print_problems([error], "skipped ")

    make: Callable[..., Summary] = partial(encode_files, workers=workers or 0)
    if cluster.engine == "ray":
        make = partial(encode_on_ray, config=cluster.config(workers, device))
    made = make(
        encoder, files, output, chosen, shard_size=shard_size, model=model, on_failure=say, progress=show
    )
    if not quiet:
        options.print_problems(left_out, "left out ")
    if json:
        facts = {"output": str(output), "model": model, "feature_width": encoder.embedding_width(chosen.pool)}
        speed = {"clouds_per_second": round(made.clouds_per_second, 2)}
        options.print_json({**facts, **asdict(made), **speed, "left_out": left_out})
    elif not quiet:
        before = f", {made.resumed} of them from earlier runs" if made.resumed else ""
        print(
            f"{output}: features of {made.files - made.failures} of {made.files} files from {model}{before}, "
            f"{made.clouds_per_second:.1f} clouds/s"
        )
    return 1 if made.failures else 0


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
        from crossjepa.similarity import quantize_embeddings

        codes_nE, scales_n = quantize_embeddings(arrays["features"])
        arrays = {"features": codes_nE, "scales": scales_n}
    if path.suffix == ".npz":
        write_npz(path, arrays if per_point else {**arrays, "files": np.array(names, dtype=str)})
    else:
        named = {member_name(name): array for name, array in arrays.items()}
        content = save(named, metadata={"files": plain.dumps(names)})
        atomic_write(path, lambda file: file.write(content))
