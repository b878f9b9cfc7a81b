"""Any input becomes the normalized points that the weights expect.

V vertices, F faces, N points of the network, M original points
"""

import os
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.config import Axis, ProcessorConfig
from crossjepa.io import Mesh, PointCloud, PointCloudError, read, validate_mesh, validate_points
from crossjepa.ops import reduce_points
from crossjepa.ops.mesh_sampling import sample_surface

Source: TypeAlias = "str | os.PathLike[str] | NDArray[Any] | Tensor | PointCloud | Mesh"

# Rotations, never a swap of two axes: that would be a mirror image.
_TO_Y_UP: dict[str, NDArray[np.float64]] = {
    "x": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "y": np.eye(3),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}


def rotate_up_axis(points_N3: NDArray[np.float64], source: Axis, target: Axis) -> NDArray[np.float64]:
    """Turns points by 90 degrees so that the axis that points up in the data becomes another one.

    From z up to y up this is (x, y, z) -> (x, z, -y), as between ModelNet40's meshes and ShapeNet.

    Args:
        points_N3: (N, 3) coordinates.
        source: "x", "y" or "z", the axis that points up in the data.
        target: the axis that points up in the result.

    Returns:
        (N, 3) the same points in the other frame.

    Raises:
        ValueError: an axis is none of "x", "y" and "z".
    """
    for axis in (source, target):
        if axis not in _TO_Y_UP:
            raise ValueError(f"up_axis must be 'x', 'y' or 'z', not {axis!r}")
    if source == target:
        return points_N3
    return np.asarray(points_N3 @ (_TO_Y_UP[target].T @ _TO_Y_UP[source]).T)


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
        original: (M, 3) original points or vertices, in the up axis of the weights.
        frame: what normalizes both; the identity if `original` is normalized already.
    """

    points: Tensor
    original: NDArray[np.floating]
    frame: Frame = IDENTITY

    @property
    def queries(self) -> Tensor:
        """(M, 3) float32 original points or vertices in the frame of `points`; computed on request."""
        return torch.from_numpy(self.frame.apply(self.original))


Input: TypeAlias = "Source | Prepared"


class PointCloudProcessor:
    """Preprocessing that travels with the weights: read, sample, turn up, reduce, center, scale.

    The rules, in this order:

    1. A mesh becomes `num_points` points, uniform by area, sampled with the configured seed.
    2. The axis that points up in the data is turned to the one that points up for the weights.
    3. A cloud of more than `num_points` points is reduced to that many by farthest point sampling.
    4. The centroid of what is left moves to the origin, and the largest radius becomes 1.

    Args:
        config: what the weights expect.
    """

    def __init__(self, config: ProcessorConfig | None = None) -> None:
        self.config = config or ProcessorConfig()

    def __call__(self, source: Input, *, up_axis: Axis | None = None) -> Tensor:
        """Returns the (N, 3) float32 points of `prepare`, on the CPU."""
        return self.prepare(source, up_axis=up_axis).points

    def prepare(self, source: Input, *, up_axis: Axis | None = None) -> Prepared:
        """Preprocesses one cloud or mesh.

        Args:
            source: a file, an (N, 3) or wider array or tensor, a `PointCloud` or a `Mesh`; what is
                `Prepared` already is returned as it is.
            up_axis: the axis that points up in the data; the one of the weights by default.

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
        known, shape = self.config, load(source)
        up_axis = up_axis or known.up_axis
        original_M3 = shape.vertices_V3 if isinstance(shape, Mesh) else shape.points_N3
        original_M3 = rotate_up_axis(original_M3, up_axis, known.up_axis)
        sampled_N3 = original_M3
        if isinstance(shape, Mesh):
            rng = np.random.default_rng(known.seed)
            sampled_N3, _ = sample_surface(shape.vertices_V3, shape.faces_F3, known.num_points, rng)
            sampled_N3 = rotate_up_axis(sampled_N3, up_axis, known.up_axis)
        sampled_N3 = _reduce(sampled_N3, known.num_points)
        frame = unit_sphere(sampled_N3) if known.normalize == "unit_sphere" else IDENTITY
        return Prepared(torch.from_numpy(frame.apply(sampled_N3)), original_M3, frame)


def load(source: Source) -> PointCloud | Mesh:
    """Reads a file or validates an array.

    Raises:
        PointCloudError: the input cannot be used; the message names it and the reason.
    """
    if isinstance(source, PointCloud):
        return PointCloud(validate_points(np.asarray(source.points_N3), "PointCloud"))
    if isinstance(source, Mesh):
        return validate_mesh(np.asarray(source.vertices_V3), np.asarray(source.faces_F3), "Mesh")
    if isinstance(source, (str, os.PathLike)):
        return read(source)
    if hasattr(source, "vertices") and hasattr(source, "faces"):  # trimesh.Trimesh and its like
        return validate_mesh(np.asarray(source.vertices), np.asarray(source.faces), type(source).__name__)
    if isinstance(source, Tensor):
        # NumPy has no bfloat16; other types stay, since some are refused.
        source = source.detach().to("cpu", torch.float64 if source.is_floating_point() else None).numpy()
    if not isinstance(source, (np.ndarray, list, tuple)):
        raise PointCloudError("input", f"expected a path, array or tensor, not {type(source).__name__}")
    try:
        points = np.asarray(source)
    except ValueError as error:
        raise PointCloudError("array", f"rows of different lengths ({error})") from error
    return PointCloud(validate_points(points, "array"))


def _reduce(points_N3: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Orders points canonically and keeps a farthest point sample of those that are too many."""
    # Sampling runs in float32 in the cloud's own frame, so that no place or unit costs it digits. Sums are
    # taken over sorted values, since their rounding would otherwise depend on the order of the points.
    center_3 = np.sort(points_N3, axis=0).mean(axis=0)
    scale = float(np.abs(points_N3 - center_3).max()) or 1.0
    tensor_1N3 = torch.from_numpy(((points_N3 - center_3) / scale).astype(np.float32)).unsqueeze(0)
    kept_1M3, _ = reduce_points(tensor_1N3, count)
    return np.asarray(kept_1M3[0].double().numpy() * scale + center_3)
