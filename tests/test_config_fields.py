"""The check of the values of a dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import Any, Literal

import pytest

from crossjepa.config_fields import Count, NonNegative, Share, check_fields


@dataclass
class Options:
    count: Count = 1
    rate: NonNegative = 0.5
    share: Share = 0.5
    name: Literal["a", "b"] = "a"
    axis: Literal["x", "y"] | Literal[""] = ""
    device: str | None = None
    on: bool = False


@pytest.mark.parametrize(
    "values", [{}, {"count": 3, "rate": 0.0, "share": 1.0}, {"name": "b", "axis": "y", "device": "cpu"}]
)
def test_values_that_fit_pass(values: dict[str, Any]) -> None:
    check_fields(Options(**values))


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("count", 0, "at least 1"),
        ("count", 1.0, "of type int"),
        ("count", True, "of type int"),
        ("count", "3", "of type int"),
        ("rate", -1e-9, "at least 0 and finite"),
        ("rate", inf, "at least 0 and finite"),
        ("rate", nan, "at least 0 and finite"),
        ("rate", 1, "of type float"),
        ("share", 1.1, "from 0 to 1"),
        ("share", nan, "from 0 to 1"),
        ("name", "c", r"one of \('a', 'b'\)"),
        ("axis", None, r"one of \('x', 'y', ''\)"),
        ("device", 0, "of type str or NoneType"),
        ("on", 1, "of type bool"),
    ],
)
def test_others_are_refused_by_name(name: str, value: Any, wanted: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be {wanted}, not "):
        check_fields(Options(**{name: value}))


def test_long_values_are_cut_in_messages() -> None:
    for value in ("x" * 10_000, 10**5000):
        with pytest.raises(ValueError, match=r"^name must be ") as caught:
            check_fields(Options(name=value))  # type: ignore[arg-type]
        assert len(str(caught.value)) < 200
