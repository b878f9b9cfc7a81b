"""Sheets with names."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from crossjepa.train.render.sheet import Row, named_sheet, short_names, shortened


def row(name: str, views: int, value: int) -> Row:
    return Row(name, np.full((views, 48, 48, 3), value, np.uint8))


def test_pictures_keep_apart_and_names_are_below_them() -> None:
    sheet = named_sheet([row("first", 2, 10), row("second", 2, 90)], columns=4)
    for value in (10, 90):
        line, column = np.nonzero((sheet == value).all(axis=2))
        assert len(line) == 2 * 48 * 48
        assert np.ptp(line) == 47, "one line"
        assert np.ptp(column) > 2 * 48, "a gap between the two views"
        below = sheet[line.max() + 1 :, column.min() : column.max()]
        assert (below < 128).any(), "a name"
    assert (sheet[0] == 255).all()


def test_many_views_take_several_lines_and_lines_are_of_equal_length() -> None:
    sheet = named_sheet([row("a", 5, 10)], columns=3)
    line, column = np.nonzero((sheet == 10).all(axis=2))
    assert len(line) == 5 * 48 * 48
    assert np.ptp(line) > 48
    assert np.ptp(column) < 3 * 48 + 20
    four = named_sheet([row(str(number), 1, 10) for number in range(4)], columns=3)
    two_by_two = named_sheet([row(str(number), 1, 10) for number in range(4)], columns=2)
    assert four.shape == two_by_two.shape


def test_long_names_lose_their_beginning() -> None:
    font = ImageFont.load_default(12)
    assert shortened("horse", 200, font) == "horse"
    short = shortened("a/very/long/folder/of/a/collection/horse.obj", 100, font)
    assert short.startswith("...")
    assert short.endswith("horse.obj")
    assert font.getlength(short) <= 100
    assert shortened("horse", 1, font) == ""


def test_nothing_to_show() -> None:
    with pytest.raises(ValueError, match="at least one"):
        named_sheet([], columns=3)


def test_names_are_as_short_as_they_can_be() -> None:
    assert short_names(["a/x.ply", "b/y.ply"]) == ["x.ply", "y.ply"]
    assert short_names(["a/x.ply", "b/x.ply"]) == ["a/x.ply", "b/x.ply"]
    assert short_names(["x.ply", "x.ply"]) == ["x.ply", "x.ply"]
    assert short_names([]) == []
