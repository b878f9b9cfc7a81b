"""Conventions of formats."""

from __future__ import annotations

import pytest

from crossjepa.io import READABLE_SUFFIXES
from crossjepa.io.up_axis import CONVENTIONS, usual_up_axis


@pytest.mark.parametrize(
    ("name", "axis"),
    [("a.GLB", "y"), ("a.obj.gz", "y"), ("a.stl", "z"), ("a.laz", "z"), ("a.ply", None), ("a.npy", None)],
)
def test_usual_axes(name: str, axis: str | None) -> None:
    assert usual_up_axis(name).axis == axis
    assert usual_up_axis(name).reason


def test_all_named_formats_are_read() -> None:
    assert set(CONVENTIONS) <= set(READABLE_SUFFIXES)
