"""Groups of files with nearly the same features."""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa.index import group_duplicates


def directions(*degrees: float) -> np.ndarray:
    """Returns unit vectors in a plane."""
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def test_files_are_connected_through_others() -> None:
    groups = group_duplicates(list("abcde"), directions(0, 5, 10, 90, 94), np.cos(np.radians(6)))
    assert [[name for name, _ in group] for group in groups] == [["a", "b", "c"], ["d", "e"]]
    assert [near for _, near in groups[0]] == pytest.approx([np.cos(np.radians(5))] * 3, abs=1e-6)


def test_a_file_without_a_like_is_in_no_group() -> None:
    assert group_duplicates(list("abc"), directions(0, 40, 90), 0.9) == []
    assert group_duplicates([], directions(), 0.9) == []


def test_pairs_far_apart_in_a_long_list_are_found() -> None:
    rng = np.random.default_rng(0)
    rows_nE = rng.normal(size=(2500, 32)).astype(np.float32)
    rows_nE[2400] = rows_nE[3]
    rows_nE /= np.linalg.norm(rows_nE, axis=1, keepdims=True)
    groups = group_duplicates([str(row) for row in range(2500)], rows_nE, 0.95)
    assert [[name for name, _ in group] for group in groups] == [["3", "2400"]]
