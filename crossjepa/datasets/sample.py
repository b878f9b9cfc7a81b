"""One type of sample for all sources, and the validation of what files say of samples.

N points, V views, H x W pixels
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.io import Mesh, PointCloud, PointCloudError, as_cloud
from crossjepa.processor import sample_mesh

_SPLIT_NAMES = {"train": "train", "training": "train", "test": "test", "testing": "test", "val": "val",
                "valid": "val", "validation": "val"}  # fmt: skip


@dataclass(frozen=True)
class Sampling:
    """How the points of a mesh are sampled; with the settings of a model, as by its `encode`.

    Attributes:
        num_points: number of points, uniform by area.
        seed: seed of `sample_mesh`, the same for every mesh.
    """

    num_points: int = 1024
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.num_points} points of a mesh, uniform by area, seed {self.seed}"  # part of checksums


@dataclass(frozen=True, eq=False)
class Renderings:
    """Existing pictures of an object.

    Attributes:
        images_VHW3: (V, H, W, 3) uint8 RGB.
        poses_V5: (V, 5) float32 azimuth, elevation, roll, distance and field of view; degrees and radii.
    """

    images_VHW3: NDArray[np.uint8]
    poses_V5: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sample:
    """One object.

    Attributes:
        shape: its points or its surface, in the coordinates of the file.
        name: name of the object.
        split: "train", "test", "val", "fold0" and so on, or "all" if the source has no splits.
        label: number of its class, None if the data set is unlabeled.
        up_axis: the axis that points up.
        normals_N3: (N, 3) float64, None if the source has none.
        parts_N: (N,) int64 part of every point, None if the source has none.
        renderings: pictures of it, None if it has to be rendered.
        sampling: how `points_N3` of a mesh are sampled.
    """

    shape: PointCloud | Mesh
    name: str = ""
    split: str = "all"
    label: int | None = None
    up_axis: Axis = "y"
    normals_N3: NDArray[np.float64] | None = None
    parts_N: NDArray[np.int64] | None = None
    renderings: Renderings | None = None
    sampling: Sampling = Sampling()

    @cached_property
    def points_N3(self) -> NDArray[np.float64]:
        """(N, 3) float64 points of the cloud, or points sampled on the surface of the mesh.

        Raises:
            PointCloudError: the surface has no area.
        """
        if isinstance(self.shape, PointCloud):
            return self.shape.points_N3
        try:
            return sample_mesh(self.shape, self.sampling.num_points, self.sampling.seed, self.up_axis)
        except ValueError as error:
            raise PointCloudError(self.name, str(error)) from error


def known_split(text: str) -> str | None:
    """Returns "train", "val" or "test" for the usual names of these splits, None for other texts."""
    return _SPLIT_NAMES.get(text.strip().lower())


def read_split(text: str, source: str | os.PathLike[str]) -> str:
    """Returns the name of the split that a text in a file means, "all" for an empty one.

    Raises:
        PointCloudError: it is not a split; a typo must not turn test clouds into training clouds.
    """
    name = text.strip().lower()
    split = known_split(name) or (name or "all" if re.fullmatch(r"(all)?|fold\d+", name) else None)
    if split is None:
        raise PointCloudError(source, f"split {text!r} is none of train, val, test, fold0, fold1 and so on")
    return split


def whole_numbers(values: NDArray[Any], limit: int, source: str, what: str) -> NDArray[np.int64]:
    """Validates labels, and returns them as (n,) int64.

    Args:
        values: (n,) or (n, 1) integers, or floating-point numbers without a fraction, as in text files.
        limit: one more than the largest valid one.
        source: file, for errors.
        what: what to call them in an error.

    Raises:
        PointCloudError: the shape is different, or a value is not a whole number from 0 to `limit` - 1.
    """
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1 or flat.dtype.kind not in "fiu":
        raise PointCloudError(
            source, f"expected {what}s of shape (n,) or (n, 1), not {values.dtype} {values.shape}"
        )
    with np.errstate(invalid="ignore"):
        wrong_n = ~((flat >= 0) & (flat < limit) & (flat == np.floor(flat)))
    if wrong_n.any():
        first = int(wrong_n.argmax())
        raise PointCloudError(source, f"{what} {flat[first]!s}, number {first}, is not from 0 to {limit - 1}")
    return flat.astype(np.int64)


def cloud_sample(
    source: str,
    points: NDArray[Any],
    normals: NDArray[Any] | None = None,
    parts: NDArray[Any] | None = None,
    num_parts: int = 0,
) -> Sample:
    """Validates the (N, 3) or wider points of a cloud, its (N, 3) normals and its (N,) parts.

    Args:
        source: file, and place in it, for errors.
        num_parts: parts of the data set.

    Raises:
        PointCloudError: an array has the wrong shape, type or length, or values that cannot be used.
    """
    for what, values in (("normals", normals), ("part labels", parts)):
        if values is not None and len(values) != len(points):
            raise PointCloudError(source, f"{len(values)} {what} for {len(points)} points")
    cloud = as_cloud(points, source)
    valid_M = np.ones(len(points), bool) if cloud.valid_M is None else cloud.valid_M
    directions = None if normals is None else as_cloud(normals[valid_M], f"{source} (normals)")
    if directions is not None and directions.valid_M is not None:
        raise PointCloudError(source, "some of its normals are not finite")
    return Sample(
        cloud,
        source,
        normals_N3=directions.points_N3 if directions else None,
        parts_N=None if parts is None else whole_numbers(parts[valid_M], num_parts, source, "part label"),
    )
