"""Clouds and files in a list, with a label each, as a data set.

n samples
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis, ProcessorConfig
from crossjepa.datasets.dataset import Dataset, Reader
from crossjepa.datasets.sample import Sample, Sampling, cloud_sample
from crossjepa.hashing import file_digest
from crossjepa.io import Mesh, PointCloud, PointCloudError, validate_mesh
from crossjepa.processor import Source, load


@dataclass(frozen=True, eq=False)
class SourceReader(Reader):
    """Reads what `encode` takes; `rule` says how meshes are sampled."""

    sources: tuple[Source, ...]
    labels_n: NDArray[np.int64]
    rule: ProcessorConfig

    def read(self, row: int) -> Sample:
        name, source = f"cloud {row}", self.sources[row]
        if isinstance(source, (str, os.PathLike)):
            return Sample(load(source), os.fspath(source))
        shape = self._load(row)
        if isinstance(shape, Mesh):
            return Sample(validate_mesh(shape.vertices_V3, shape.faces_F3, name), name)
        return cloud_sample(name, shape.points_N3)

    def checksum(self, dataset: Dataset) -> str:
        """Hashes contents; what cannot be read is left to the error that reading it gives."""
        rule = self.rule
        sampling = f"ProcessorConfig(num_points={rule.num_points}, up_axis={rule.up_axis!r}, "
        sampling += f"normalize={rule.normalize!r}, seed={rule.seed})"
        total = hashlib.sha256(sampling.encode() + self.labels_n.tobytes())
        for row, source in enumerate(self.sources):
            if isinstance(source, (str, os.PathLike)):
                total.update(file_digest(Path(source)).encode())
                continue
            try:
                shape = self._load(row)
            except PointCloudError:
                continue
            arrays = (shape.vertices_V3, shape.faces_F3) if isinstance(shape, Mesh) else (shape.points_N3,)
            total.update(b"".join(array.tobytes() for array in arrays))
        return total.hexdigest()

    def _load(self, row: int) -> PointCloud | Mesh:
        try:
            return load(self.sources[row])
        except PointCloudError as error:
            raise PointCloudError(f"cloud {row}", error.reason) from error


def from_sources(
    sources: Sequence[Source],
    labels_n: NDArray[np.integer],
    classes: Sequence[str],
    *,
    processor: ProcessorConfig | None = None,
    up_axis: Axis | None = None,
) -> Dataset:
    """Makes a data set, without splits, of what `encode` takes; files are read when they are asked for.

    Args:
        sources: files, (N, 3) arrays or tensors, `PointCloud`s or `Mesh`es.
        labels_n: (n,) numbers of their classes.
        classes: names of the classes.
        processor: how meshes are sampled: as `encode` does with the same settings.
        up_axis: the axis that points up; the one of the weights by default.

    Raises:
        ValueError: the numbers of labels and sources differ, or a label is not a class.
        PointCloudError: a file does not exist.
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
    names = [
        os.fspath(source) if isinstance(source, (str, os.PathLike)) else f"cloud {index}"
        for index, source in enumerate(sources)
    ]
    return Dataset(
        name="list",
        layout="in memory",
        names=tuple(names),
        splits=("all",) * len(labels),
        reader=SourceReader(tuple(sources), labels, rule),
        files=files,
        labels=labels,
        classes=tuple(classes),
        up_axis=up_axis or rule.up_axis,
        sampling=Sampling(rule.num_points, rule.seed),
    )
