"""Clouds and files in a list, with a label each, as a data set.

n samples, N points
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis, ProcessorConfig
from crossjepa.datasets.dataset import Dataset, RawShape
from crossjepa.datasets.files import read_surface
from crossjepa.hashing import file_digest
from crossjepa.io import Mesh, PointCloudError
from crossjepa.ops.mesh_sampling import sample_surface
from crossjepa.processor import Source, load


def from_sources(
    sources: Sequence[Source],
    labels_n: NDArray[np.integer],
    classes: Sequence[str],
    *,
    processor: ProcessorConfig | None = None,
    up_axis: Axis | None = None,
) -> Dataset:
    """Makes a data set of what `encode` takes.

    Args:
        sources: files, (N, 3) arrays or tensors, `PointCloud`s or `Mesh`es.
        labels_n: (n,) numbers of their classes.
        classes: names of the classes.
        processor: how meshes are sampled: as `encode` does with the same settings.
        up_axis: the axis that points up; the one of the weights by default.

    Returns:
        The data set, without splits. Files are read when they are asked for.

    Raises:
        ValueError: there is another number of labels than of sources, or a label is no class.
        PointCloudError: a file is not there.
    """
    rule = processor or ProcessorConfig()
    labels = np.asarray(labels_n, np.int64)
    if len(sources) != len(labels):
        raise ValueError(f"{len(labels)} labels for {len(sources)} clouds")
    if len(labels) and not (labels.min() >= 0 and labels.max() < len(classes)):
        raise ValueError(f"labels must be from 0 to {len(classes) - 1}")
    files = tuple(Path(source) for source in sources if isinstance(source, (str, os.PathLike)))
    for file in files:
        if not file.is_file():
            raise PointCloudError(file, "no such file")

    def read_source(index: int) -> RawShape:
        return _read(sources[index], f"cloud {index}", rule)

    names = [
        os.fspath(source) if isinstance(source, (str, os.PathLike)) else f"cloud {index}"
        for index, source in enumerate(sources)
    ]
    return Dataset(
        name="list",
        layout="in memory",
        classes=tuple(classes),
        labels_n=labels,
        names=tuple(names),
        splits=("all",) * len(labels),
        read=read_source,
        files=files,
        up_axis=up_axis or rule.up_axis,
        sampling=f"{rule.num_points} points of a mesh, seed {rule.seed}",
        _digests={"all": _digest(sources, labels, rule)},
    )


def _read(source: Source, name: str, rule: ProcessorConfig) -> RawShape:
    if isinstance(source, (str, os.PathLike)):
        return read_surface(source, rule.num_points, rule.seed)
    try:
        shape = load(source)
    except PointCloudError as error:
        raise PointCloudError(name, error.reason) from error
    if not isinstance(shape, Mesh):
        return RawShape(name, shape.points_N3)
    generator = np.random.default_rng(rule.seed)
    points_N3, _ = sample_surface(shape.vertices_V3, shape.faces_F3, rule.num_points, generator)
    return RawShape(name, points_N3)


def _digest(sources: Sequence[Source], labels: NDArray[np.int64], rule: ProcessorConfig) -> str:
    """Hashes contents; what cannot be read is left to the error that reading it gives."""
    total = hashlib.sha256(f"{rule}".encode() + labels.tobytes())
    for source in sources:
        if isinstance(source, (str, os.PathLike)):
            total.update(file_digest(Path(source)).encode())
        else:
            total.update(_content(source))
    return total.hexdigest()


def _content(source: Any) -> bytes:
    try:
        shape = load(source)
    except PointCloudError:
        return b""
    if isinstance(shape, Mesh):
        return shape.vertices_V3.tobytes() + shape.faces_F3.tobytes()
    return shape.points_N3.tobytes()
