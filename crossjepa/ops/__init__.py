"""Operations on point sets in pure torch: ordering, sampling, neighbors, interpolation."""

from crossjepa.ops.fps import farthest_point_sampling, reduce_points
from crossjepa.ops.interpolate import interpolate_tokens
from crossjepa.ops.knn import gather_points, nearest_neighbors
from crossjepa.ops.order import canonical_order

__all__ = [
    "canonical_order",
    "farthest_point_sampling",
    "gather_points",
    "interpolate_tokens",
    "nearest_neighbors",
    "reduce_points",
]
