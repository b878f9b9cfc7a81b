"""Numbers as programs and spreadsheets write them."""

from __future__ import annotations

import math

import pytest

from crossjepa.io.numerals import is_number, to_number


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1.5", 1.5),
        (" -2e3 ", -2000),
        ("0,5", 0.5),
        ("-1.234,5", -1234.5),
        ("1,234.5", 1234.5),
        ('"7"', 7),
        ("1d2", 100),
    ],
)
def test_numbers(cell: str, number: float) -> None:
    assert to_number(cell) == number
    assert is_number(cell)


@pytest.mark.parametrize(
    "cell", ["-nan(ind)", "NAN(0x8)", "1.#QNAN", "-1.#IND00", "#NUM!", "n/a", "-", "", "None"]
)
def test_missing_numbers(cell: str) -> None:
    assert math.isnan(to_number(cell))


@pytest.mark.parametrize("cell", ["six", "1_000", "\uff11", "1,2,3", "1.2.3", "0x10", "x1", "1 2"])
def test_what_is_no_number(cell: str) -> None:
    with pytest.raises(ValueError, match=r"number|convert"):
        to_number(cell)
    assert not is_number(cell)
