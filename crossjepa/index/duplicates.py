"""Files that are nearly the same object.

n files, E embedding width
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_STEP = 1024


def group_duplicates(
    files: Sequence[str], vectors_nE: NDArray[np.float32], similarity: float
) -> list[list[tuple[str, float]]]:
    """Groups files whose features are nearly the same; files are connected through others.

    Args:
        files: n names.
        vectors_nE: (n, E) standardized features of unit length, as `encoder.standardize` returns them.
        similarity: cosine from which on two files count as the same object.

    Returns:
        Groups of at least two files, largest first, each file with its largest cosine to another one.
    """
    parent = list(range(len(files)))
    nearest_n = np.full(len(files), -1.0)

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for first, second, cosine in _similar_pairs(vectors_nE, similarity):
        nearest_n[[first, second]] = np.maximum(nearest_n[[first, second]], cosine)
        parent[root(second)] = root(first)
    groups: dict[int, list[tuple[str, float]]] = {}
    for row, file in enumerate(files):
        if nearest_n[row] >= similarity:
            groups.setdefault(root(row), []).append((file, float(nearest_n[row])))
    return sorted(groups.values(), key=lambda group: (-len(group), group[0][0]))


def _similar_pairs(vectors_nE: NDArray[np.float32], similarity: float) -> Iterator[tuple[int, int, float]]:
    for start in range(0, len(vectors_nE), _STEP):
        cosine = vectors_nE[start : start + _STEP] @ vectors_nE[start:].T
        for row, other in zip(*np.nonzero(cosine >= similarity), strict=True):
            if other > row:
                yield start + int(row), start + int(other), float(cosine[row, other])
