"""Any input becomes the normalized points that the weights expect.

V original points or vertices, F faces, N points of the network, M rows of the input,
R removed points
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.config import Axis, OutlierRemovalConfig, ProcessorConfig
from crossjepa.errors import errors_about
from crossjepa.io import Mesh, PointCloud, PointCloudError, as_cloud, read, validate_mesh
from crossjepa.io.arrays import fields_to_rows
from crossjepa.io.objects import from_object, is_one_input, to_array
from crossjepa.ops import reduce_points
from crossjepa.ops.line_sampling import sample_by_lines
from crossjepa.ops.outliers import find_outliers
from crossjepa.ops.up_axis import check_axes
from crossjepa.ops.up_axis import rotate_up_axis as rotate_up_axis

# Beside these, anything that `crossjepa.io.objects` reads.
Source: TypeAlias = "str | os.PathLike[str] | NDArray[Any] | Tensor | PointCloud | Mesh"


@dataclass(frozen=True)
class Frame:
    """Where a cloud was before it was normalized.

    Attributes:
        centroid_3: (3,) float64 centroid, in the up axis of the weights.
        radius: largest distance from it, 1 if all points coincide.
    """

    centroid_3: NDArray[np.float64]
    radius: float

    def apply(self, points_N3: NDArray[np.floating]) -> NDArray[np.float32]:
        """Returns the points relative to the centroid, in units of the radius, as float32."""
        return ((points_N3 - self.centroid_3) / self.radius).astype(np.float32)


IDENTITY = Frame(np.zeros(3), 1.0)


def unit_sphere(points_N3: NDArray[np.float64]) -> Frame:
    """Returns the frame in which the centroid is at the origin and the largest radius is 1."""
    centroid_3 = points_N3.mean(axis=0)
    radius = float(np.linalg.norm(points_N3 - centroid_3, axis=1).max())
    return Frame(centroid_3, radius if radius > 0 else 1.0)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A cloud or mesh that is ready for the network; `encode` and `predict` take it like any other input.

    Attributes:
        points: (N, 3) float32 normalized points, which the network reads.
        original: (V, 3) original points or vertices that are finite, in the up axis of the weights.
        frame: what normalizes both; the identity if `original` is normalized already.
        valid_M: (M,) which rows of the input `original` has; None if it has all of them.
        outliers: (R,) int64 rows of `original` that were left out of `points` as outliers. They are still
            among the queries, so they get features and parts like all others, from the tokens near them.
    """

    points: Tensor
    original: NDArray[np.floating]
    frame: Frame = IDENTITY
    valid_M: NDArray[np.bool_] | None = None
    outliers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets it travel between processes as arrays: of each tensor, torch would send an open file."""
        values = (self.points.numpy(), self.original, self.frame, self.valid_M, self.outliers)
        return _from_arrays, values

    def without_original(self) -> Prepared:
        """Returns the points for the network alone, which are all that one feature per cloud needs."""
        return Prepared(self.points, self.original[:0])

    @property
    def queries(self) -> Tensor:
        """(V, 3) float32 original points or vertices in the frame of `points`; computed on request."""
        return torch.from_numpy(self.frame.apply(self.original))

    def in_input_order(self, values_V: Tensor, fill: float = torch.nan) -> Tensor:
        """Returns one row per row of the input: those of `original`, and `fill` for those it lacks.

        Args:
            values_V: (V,) or (V, C), one row per row of `original`.
            fill: what the other rows are filled with.

        Returns:
            (M,) or (M, C).
        """
        if self.valid_M is None:
            return values_V
        values_M = values_V.new_full((len(self.valid_M), *values_V.shape[1:]), fill)
        values_M[torch.from_numpy(self.valid_M)] = values_V
        return values_M


def _from_arrays(points_N3: NDArray[np.float32], *values: Any) -> Prepared:
    return Prepared(torch.from_numpy(points_N3), *values)


Input: TypeAlias = "Source | Prepared"


class PointCloudProcessor:
    """Preprocessing that travels with the weights: read, clean or sample, turn up, reduce, center, scale.

    The rules, in this order:

    1. If `outlier_removal` is configured, the outliers of a cloud are left out: stray points would otherwise
       survive rule 5, which prefers far points, and set the radius of rule 6. A mesh has no stray points, and
       few samples on thin parts must not be taken for some: it is never cleaned.
    2. A mesh becomes `num_points` points, uniform by area, by `sample_mesh` with the configured seed.
    3. The axis that points up in the data is turned to the one that points up for the weights.
    4. Exact copies of points are dropped.
    5. A cloud of more than `num_points` points is reduced to that many by farthest point sampling.
    6. The centroid of what is left moves to the origin, and the largest radius becomes 1.

    Args:
        config: what the weights expect.
    """

    def __init__(self, config: ProcessorConfig | None = None) -> None:
        self.config = config or ProcessorConfig()

    def with_outlier_removal(self, rule: OutlierRemovalConfig | bool = True) -> PointCloudProcessor:
        """Returns the same preprocessing with or without the removal of outliers.

        Args:
            rule: which points are removed; True for the configured rule, or the default one if there is none;
                False to keep all points.

        Example:
            >>> encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
            >>> encoder.processor = encoder.processor.with_outlier_removal()
            >>> cloud = np.concatenate([np.random.default_rng(0).random((500, 3)), [[9, 9, 9]]])
            >>> encoder.processor.prepare(cloud).outliers.tolist(), len(encoder.encode_points(cloud))
            ([500], 501)
        """
        if isinstance(rule, bool):
            rule_or_none = (self.config.outlier_removal or OutlierRemovalConfig()) if rule else None
        else:
            rule_or_none = rule
        return PointCloudProcessor(replace(self.config, outlier_removal=rule_or_none))

    def __call__(self, source: Input, *, up_axis: Axis | None = None) -> Tensor:
        """Returns the (N, 3) float32 points of `prepare`, on the CPU."""
        return self.prepare(source, up_axis=up_axis).points

    def prepare(self, source: Input, *, up_axis: Axis | None = None, name: str = "") -> Prepared:
        """Preprocesses one cloud or mesh.

        Args:
            source: a file, an (N, 3) or wider array or tensor, a `PointCloud` or a `Mesh`, or what else
                `load` takes; what is `Prepared` already is returned as it is.
            up_axis: the axis that points up in the data; the one of the weights by default.
            name: what to call it in errors if it is no file.

        Returns:
            At most `num_points` normalized points on the CPU in canonical order, the original points or
            vertices, and the frame of both.

        Raises:
            PointCloudError: the input cannot be used; the message names it and the reason.
            ValueError: the axis is none of "x", "y" and "z".

        Example:
            >>> prepared = PointCloudProcessor().prepare("chair.obj")
            >>> prepared.points.shape
            torch.Size([1024, 3])
        """
        if isinstance(source, Prepared):
            return source
        name, up_axis = name or name_in_errors(source), up_axis or self.config.up_axis
        check_axes(up_axis)
        with errors_about(name):
            return self._prepare(source, up_axis, name)

    def _prepare(self, source: Source, up_axis: Axis, name: str) -> Prepared:
        known, shape = self.config, load(source, name)
        original_V3 = shape.vertices_V3 if isinstance(shape, Mesh) else shape.points_N3
        original_V3 = rotate_up_axis(original_V3, up_axis, known.up_axis)
        sampled_N3, outliers_R = original_V3, np.zeros(0, np.int64)
        if known.outlier_removal and not isinstance(shape, Mesh):
            is_outlier_V = find_outliers(original_V3, **vars(known.outlier_removal))
            sampled_N3, outliers_R = original_V3[~is_outlier_V], np.flatnonzero(is_outlier_V)
        if isinstance(shape, Mesh):
            try:
                sampled_N3 = sample_mesh(shape, known.num_points, known.seed, up_axis)
            except ValueError as error:
                raise PointCloudError(name, str(error)) from error
            sampled_N3 = rotate_up_axis(sampled_N3, up_axis, known.up_axis)
        sampled_N3 = _reduce(sampled_N3, known.num_points)
        frame = unit_sphere(sampled_N3) if known.normalize == "unit_sphere" else IDENTITY
        points_N3 = torch.from_numpy(frame.apply(sampled_N3))
        return Prepared(points_N3, original_V3, frame, shape.valid_M, outliers_R)


def sample_mesh(mesh: Mesh, count: int, seed: int = 0, up_axis: Axis = "y") -> NDArray[np.float64]:
    """Samples points on a mesh, uniform by area, that depend on its surface alone: see `sample_by_lines`.

    Args:
        mesh: the mesh.
        count: number of points.
        seed: chooses the points.
        up_axis: the axis that points up in the mesh; turning mesh and axis alike turns the points.

    Returns:
        (N, 3) float64 points in the coordinates of the mesh.

    Raises:
        ValueError: the surface has no area.

    Example:
        >>> sample_mesh(read("chair.obj"), 100).shape
        (100, 3)
    """
    upright_V3 = rotate_up_axis(mesh.vertices_V3, up_axis, "y")
    return rotate_up_axis(sample_by_lines(upright_V3, mesh.faces_F3, count, seed), "y", up_axis)


def load(source: Source, name: str = "") -> PointCloud | Mesh:
    """Reads a file, or validates what is in memory.

    Args:
        source: a file, an array or tensor, a `PointCloud` or `Mesh`, a cloud or mesh of another library, a
            table with columns x, y and z, or a mapping of arrays as in an npz file.
        name: what to call it in errors if it is no file; by default its type, or "array".

    Raises:
        PointCloudError: the input cannot be used; the message names it and the reason.
    """
    if isinstance(source, (str, os.PathLike)):
        return read(source)
    name = name or name_in_errors(source)
    if isinstance(source, PointCloud):
        return _keep_rows(as_cloud(np.asarray(source.points_N3), name), source.valid_M)
    if isinstance(source, Mesh):
        mesh = validate_mesh(np.asarray(source.vertices_V3), np.asarray(source.faces_F3), name)
        return _keep_rows(mesh, source.valid_M)
    if not _is_array(source):
        return from_object(source, name)
    try:
        points = to_array(source)
        points = fields_to_rows(points, name) if points.dtype.names else points
    except PointCloudError:
        raise
    except Exception as error:  # tensors without storage, sparse or nested ones, lists of anything
        reason = (
            f"is no array of numbers ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        )
        raise PointCloudError(name, reason) from error
    return as_cloud(points, name)


def name_in_errors(source: object) -> str:
    """Returns the path of a file, "array", or the type of another object."""
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    return "array" if _is_array(source) else type(source).__name__


def _is_array(source: object) -> bool:
    return isinstance(source, (np.ndarray, Tensor, list, tuple)) or (
        hasattr(source, "__array__") and hasattr(source, "shape") and not is_one_input(source)
    )


Shape = TypeVar("Shape", PointCloud, Mesh)


def _keep_rows(shape: Shape, valid_M: NDArray[np.bool_] | None) -> Shape:
    """Returns a shape that remembers the rows which were left out when it was read, too."""
    if valid_M is not None and shape.valid_M is not None:
        valid_M = valid_M.copy()
        valid_M[valid_M] = shape.valid_M
    return shape if valid_M is None else replace(shape, valid_M=valid_M)


def _reduce(points_N3: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Orders points canonically and keeps a farthest point sample of those that are too many."""
    points_N3 = _without_duplicates(points_N3)
    # Sampling runs in float32 in the cloud's own frame, so that no place or unit costs it digits. Sums are
    # taken over sorted values, since their rounding would otherwise depend on the order of the points.
    center_3 = np.sort(points_N3, axis=0).mean(axis=0)
    scale = float(np.abs(points_N3 - center_3).max()) or 1.0
    tensor_1N3 = torch.from_numpy(((points_N3 - center_3) / scale).astype(np.float32)).unsqueeze(0)
    kept_1M3, _ = reduce_points(tensor_1N3, count)
    return np.asarray(kept_1M3[0].double().numpy() * scale + center_3)


def _without_duplicates(points_N3: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the points without exact copies of others, which scanners and padding leave, in their order."""
    # Equal points have equal keys, and the keys of a million points are sorted in a tenth of a second.
    bits_N3 = np.ascontiguousarray(points_N3 + 0.0).view(np.uint64)  # -0.0 equals 0.0
    keys_N = bits_N3 @ np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
    keys_N.sort()
    if not (keys_N[1:] == keys_N[:-1]).any():
        return points_N3
    order_N = np.lexsort(points_N3.T)
    sorted_N3 = points_N3[order_N]
    is_first_N = np.ones(len(points_N3), bool)
    is_first_N[1:] = (sorted_N3[1:] != sorted_N3[:-1]).any(axis=1)
    return points_N3[np.sort(order_N[is_first_N])]
