"""Means of what a run measures."""

from __future__ import annotations

import pytest

from crossjepa.train.pretrain.meter import Meter


def test_it_averages_since_the_last_reading() -> None:
    meter = Meter(batch_size=8)
    for _ in range(2):
        meter.add({"loss": 1.0, "seconds": 2.0, "data_seconds": 0.5})
        meter.add({"loss": 3.0, "seconds": 2.0, "data_seconds": 1.5})
        assert meter.speed() == 4.0
        assert meter.read() == pytest.approx({"loss": 2.0, "samples_per_second": 4.0, "data_share": 0.5})
        assert meter.rows == []
