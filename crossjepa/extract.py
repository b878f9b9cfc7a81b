"""Features of many files, where one bad file must not cost the others.

n files, N points, C encoder width, E embedding width
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.config import Axis, Pooling
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.files import atomic_write, write_npz
from crossjepa.io import PointCloudError, find_files

OUTPUT_SUFFIXES = (".npz", ".safetensors")


@dataclass
class Extraction:
    """Features of files.

    Attributes:
        files: the files that could be read, in order.
        features: (E,) float32 of each, or (N, C) when there is one for every point.
        errors: why the others could not.
        per_point: whether the features are per point.
    """

    per_point: bool
    files: list[str] = field(default_factory=list)
    features: list[NDArray[np.float32]] = field(default_factory=list)
    errors: list[PointCloudError] = field(default_factory=list)


def list_inputs(inputs: Iterable[str]) -> list[Path]:
    """Replaces every folder by the readable files inside it; files stay, readable or not.

    Raises:
        PointCloudError: a folder holds no readable file.
    """
    files: list[Path] = []
    for name in inputs:
        if not Path(name).is_dir():
            files.append(Path(name))
            continue
        found = find_files(name)
        if not found:
            raise PointCloudError(name, "no point cloud or mesh file in this folder")
        files.extend(found)
    return files


def encode_files(
    encoder: CrossJEPAEncoder,
    inputs: Sequence[str],
    *,
    per_point: bool = False,
    pool: Pooling | None = None,
    batch_size: int = 32,
    up_axis: Axis | None = None,
    progress: bool | None = None,
) -> Extraction:
    """Encodes files and folders and collects what fails instead of stopping.

    Args:
        encoder: the model.
        inputs: files and folders.
        per_point: a feature for every point or vertex instead of one a file.
        pool: pooling of tokens for one feature a file.
        batch_size: clouds a pass.
        up_axis: the axis that points up in the files.
        progress: show a progress bar; by default for more than 100 files.

    Returns:
        Features and errors.

    Raises:
        ValueError: the batch size is not positive.
        PointCloudError: a folder holds no readable file.
    """
    if batch_size < 1:
        raise ValueError(f"batch size must be at least 1, not {batch_size}")
    result = Extraction(per_point)
    waiting: list[tuple[str, Tensor]] = []

    def encode_waiting() -> None:
        if waiting:
            names, clouds = zip(*waiting, strict=True)
            result.files.extend(names)
            result.features.extend(encoder.encode_preprocessed(clouds, pool=pool))
            waiting.clear()

    for path in _progress(list_inputs(inputs), progress):
        try:
            if per_point:
                result.features.append(encoder.encode_points(path, up_axis=up_axis))
                result.files.append(str(path))
            else:
                waiting.append((str(path), encoder.preprocess(path, up_axis=up_axis)))
        except PointCloudError as error:
            result.errors.append(error)
        if len(waiting) == batch_size:
            encode_waiting()
    encode_waiting()
    return result


def check_output(path: Path, suffixes: Sequence[str] = OUTPUT_SUFFIXES) -> None:
    """Refuses an output that could not be written, before any work is done.

    Raises:
        ValueError: the file has none of the suffixes, or its folder does not exist.
    """
    if path.suffix not in suffixes:
        raise ValueError(f"{path}: output must end in {' or '.join(suffixes)}")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path}: the folder does not exist")


def write_features(path: Path, result: Extraction) -> None:
    """Writes features, whole or not at all.

    With one feature a file: an array `features` (n, E) and the names in `files` (npz) or, as JSON, in the
    metadata (safetensors). With one a point: an array (N, C) a file, under the name of the file.

    Args:
        path: a .npz or .safetensors file.
        result: what to write.
    """
    if result.per_point:
        arrays = dict(zip(result.files, result.features, strict=True))
    else:
        arrays = {"features": np.stack(result.features) if result.features else np.zeros((0, 0), np.float32)}
    if path.suffix == ".npz":
        names = {} if result.per_point else {"files": np.array(result.files, dtype=str)}
        write_npz(path, {**arrays, **names})
    else:
        from safetensors.numpy import save

        content = save(arrays, metadata={"files": json.dumps(result.files)})
        atomic_write(path, lambda file: file.write(content))


def _progress(paths: list[Path], show: bool | None) -> Iterator[Path]:
    if show is False or (show is None and len(paths) <= 100):
        return iter(paths)
    from tqdm.auto import tqdm

    return iter(tqdm(paths, unit="file", desc="encode"))
