"""The canonical order against Python's sort."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossjepa.ops import canonical_order, gather_points


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_canonical_order_is_the_lexicographic_one(seed: int) -> None:
    points_BN3 = torch.randint(0, 3, (2, 30, 3), generator=torch.Generator().manual_seed(seed)).float()
    order_BN = canonical_order(points_BN3)
    for points_N3, ordered_N3 in zip(
        points_BN3.tolist(), gather_points(points_BN3, order_BN).tolist(), strict=True
    ):
        assert ordered_N3 == sorted(points_N3)


def test_masked_points_come_last() -> None:
    points_BN3 = torch.tensor([[[3.0, 0, 0], [-9, 0, 0], [1, 0, 0]]])
    order_BN = canonical_order(points_BN3, torch.tensor([[True, False, True]]))
    assert order_BN.tolist() == [[2, 0, 1]]
