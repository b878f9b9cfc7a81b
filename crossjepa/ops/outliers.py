"""Statistical outlier removal: which points lie far from all others.

N points, U distinct points, L leaves, S slots of a leaf, B branches of M leaves, A near leaves, T points to
compare with, Q boxes, K neighbors
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
# Points of a leaf, near leaves that it is compared with, leaves of a branch, and leaves around a branch:
# chosen for speed, the result is exact for all values.
_SLOTS, _NEAR, _AT_ONCE, _CLOSE = 16, 16, 64, 256


def find_outliers(
    points_N3: NDArray[np.floating], neighbors: int = 8, threshold: float = 8.0, max_share: float = 0.1
) -> NDArray[np.bool_]:
    """Finds points whose mean distance to their nearest neighbors is much larger than that of most points.

    As the statistical outlier removal of PCL and Open3D (Rusu et al. 2008,
    https://doi.org/10.1016/j.robot.2008.08.005), but with median and median absolute deviation (MAD) in place
    of mean and standard deviation, which the outliers themselves would move. A point is an outlier if its
    mean distance exceeds median + `threshold` * MAD.

    - Copies of a point count as one and share its fate.
    - The MAD counts as at least a tenth of the median: on a regular grid, where it is 0, edges are kept.
    - If more than `max_share` of the distinct points exceed the limit, only the farthest of them are
      outliers; of points with equal distances all or none.
    - Fewer than `neighbors` + 1 distinct points have no outliers.

    Args:
        points_N3: (N, 3) finite coordinates.
        neighbors: number of nearest neighbors (K).
        threshold: how far is too far, in MADs.
        max_share: largest share of the points that may be outliers.

    Returns:
        (N,) bool, True for outliers; the same points whatever their order.
    """
    distinct_U3, copy_N = _distinct(np.asarray(points_N3, np.float64))
    if len(distinct_U3) <= neighbors:
        return np.zeros(len(points_N3), bool)
    mean_U = mean_neighbor_distances(distinct_U3, neighbors)
    middle = float(np.median(mean_U))
    deviation = float(np.median(np.abs(mean_U - middle)))
    limit = middle + threshold * max(deviation, middle / 10)
    most = min(int(max_share * len(mean_U)), len(mean_U) - 1)
    limit = max(limit, float(np.partition(mean_U, -1 - most)[-1 - most]))
    return np.asarray((mean_U > limit)[copy_N])


def mean_neighbor_distances(points_U3: _Floats, neighbors: int) -> _Floats:
    """Computes the mean distance of every point to its nearest neighbors, exactly.

    The points are split at medians into leaves, as in a k-d tree, and compared with those in the leaves
    around their own. Only points that may have a nearer neighbor elsewhere, as outliers do, search further.
    Memory grows with the number of points only.

    Args:
        points_U3: (U, 3) distinct points, U > `neighbors`.
        neighbors: number of nearest neighbors (K).

    Returns:
        (U,) mean distances, the same bits in any order of the points.
    """
    leaf_LS, mean_U = _split(points_U3, max(_SLOTS, 2 * neighbors + 2)), np.empty(len(points_U3))
    stored_LS3 = points_U3[leaf_LS]
    low_L3, high_L3 = stored_LS3.min(axis=1), stored_LS3.max(axis=1)
    starts_B = np.arange(0, len(leaf_LS), _AT_ONCE)
    low_B3, high_B3 = np.minimum.reduceat(low_L3, starts_B), np.maximum.reduceat(high_L3, starts_B)
    stored_LS3[:, -1][leaf_LS[:, -1] == leaf_LS[:, -2]] = np.inf  # what fills up the smaller leaves
    for branch, start in enumerate(starts_B):
        own = slice(start, start + _AT_ONCE)
        rows_MS, low_M3, high_M3 = leaf_LS[own], low_L3[own], high_L3[own]
        # Leaves that follow one another lie together; most others are far from all of them.
        around_1L = _gaps(low_B3[branch, None], high_B3[branch, None], low_L3, high_L3)
        close_1C, beyond_11 = _nearest(around_1L, _CLOSE)
        gap_MC = _gaps(low_M3, high_M3, low_L3[close_1C[0]], high_L3[close_1C[0]])
        near_MA, beyond_M1 = _nearest(gap_MC, _NEAR)
        near_MT3 = stored_LS3[close_1C[0][near_MA]].reshape(len(rows_MS), -1, 3)
        nearest_MSK = _smallest(_squared(points_U3[rows_MS], near_MT3), neighbors + 1)
        further_MS = nearest_MSK[..., -1] > np.minimum(beyond_M1, beyond_11)
        for row, slot in np.argwhere(further_MS):
            point_13, bound = points_U3[rows_MS[row, slot], None], nearest_MSK[row, slot, -1]
            branches = np.flatnonzero(_gaps(point_13, point_13, low_B3, high_B3)[0] <= bound)
            leaves = (branches[:, None] * _AT_ONCE + np.arange(_AT_ONCE)).ravel()
            leaves = leaves[leaves < len(leaf_LS)]
            leaves = leaves[_gaps(point_13, point_13, low_L3[leaves], high_L3[leaves])[0] <= bound]
            inside_T3 = stored_LS3[leaves].reshape(-1, 3)
            nearest_MSK[row, slot] = _smallest(_squared(point_13, inside_T3), neighbors + 1)[0]
        # Sorted, so that sums have the same bits; the smallest is the distance of the point to itself.
        mean_U[rows_MS] = np.sqrt(np.sort(nearest_MSK, axis=-1)[..., 1:]).mean(axis=-1)
    return mean_U


def _split(points_U3: _Floats, size: int) -> NDArray[np.int64]:
    """Splits points into (L, S) leaves of S or S - 1 points; the latter repeat their last point."""
    parts = [np.arange(len(points_U3))]
    while len(parts[0]) > size:
        halves = []
        for rows in parts:
            inside = points_U3[rows]
            axis, half = int(np.ptp(inside, axis=0).argmax()), len(rows) // 2
            order = np.argpartition(inside[:, axis], half)
            halves += [rows[order[half:]], rows[order[:half]]]
        parts = halves
    slots = max(map(len, parts))
    return np.stack([rows if len(rows) == slots else np.append(rows, rows[-1]) for rows in parts])


def _gaps(low_Q3: _Floats, high_Q3: _Floats, low_L3: _Floats, high_L3: _Floats) -> _Floats:
    """Returns the (Q, L) squared distances between boxes, which are 0 if they touch."""
    gap_QL = np.zeros((len(low_Q3), len(low_L3)))
    for axis in range(3):
        after_QL = low_L3[:, axis] - high_Q3[:, axis, None]
        before_QL = low_Q3[:, axis, None] - high_L3[:, axis]
        gap_QL += np.maximum(np.maximum(after_QL, before_QL), 0) ** 2
    return gap_QL


def _nearest(gap_QL: _Floats, count: int) -> tuple[NDArray[np.int64], _Floats]:
    """Returns the (Q, count) nearest leaves, and the (Q, 1) squared distance that others have at least."""
    if count >= gap_QL.shape[1]:
        everything = np.broadcast_to(np.arange(gap_QL.shape[1]), gap_QL.shape)
        return everything, np.full((len(gap_QL), 1), np.inf)
    order_QL = np.argpartition(gap_QL, count, axis=1)
    return order_QL[:, :count], np.take_along_axis(gap_QL, order_QL[:, count : count + 1], axis=1)


def _squared(query: _Floats, others: _Floats) -> _Floats:
    """Returns the (..., Q, T) squared distances of (..., Q, 3) to (..., T, 3) points."""
    squared = (query[..., :, None, 0] - others[..., None, :, 0]) ** 2
    for axis in (1, 2):
        squared += (query[..., :, None, axis] - others[..., None, :, axis]) ** 2
    return np.asarray(squared)


def _smallest(values: _Floats, count: int) -> _Floats:
    return np.partition(values, count - 1, axis=-1)[..., :count]


def _distinct(points_N3: _Floats) -> tuple[_Floats, NDArray[np.int64]]:
    """Returns the (U, 3) distinct points, and which of them each of the (N,) points is."""
    order_N = np.lexsort(points_N3.T)
    sorted_N3 = points_N3[order_N]
    is_new_N = np.append(True, (sorted_N3[1:] != sorted_N3[:-1]).any(axis=1))
    copy_N = np.empty(len(points_N3), np.int64)
    copy_N[order_N] = np.cumsum(is_new_N) - 1
    return sorted_N3[is_new_N], copy_N
