"""Options that do not change the result."""

from __future__ import annotations

from typing import Any

import pytest

from crossjepa.train.pretrain.config import RunOptions


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("log_every", 0, 1), ("save_every", 0, 1), ("probe_every", -1, 0), ("stop_after", -1, 0)],
)
def test_impossible_intervals_are_refused(name: str, value: Any, least: int) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least {least}, not {value}"):
        RunOptions(**{name: value})
