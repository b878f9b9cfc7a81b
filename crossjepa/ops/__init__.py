"""Operations on point sets in pure torch: ordering, sampling, neighbors, interpolation."""

from typing import TYPE_CHECKING

from crossjepa._lazy import lazy_names

if TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "fps": "farthest_point_sampling reduce_points",
        "interpolate": "interpolate_tokens",
        "knn": "gather_points nearest_neighbors",
        "order": "canonical_order",
    },
    __all__,
)
