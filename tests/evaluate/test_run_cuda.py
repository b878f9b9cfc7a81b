"""Evaluation on features of a GPU: the figures of the CPU."""

from __future__ import annotations

import copy

import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import Dataset
from crossjepa.evaluate import EncoderFeatures, evaluate
from tests.helpers.cuda import DEVICE, ON_DEVICE

pytestmark = ON_DEVICE


@pytest.mark.parametrize("protocol", ["linear", "knn"])
def test_the_same_accuracy(protocol: str, boxes: Dataset, tiny: CrossJEPAEncoder) -> None:
    moved = copy.deepcopy(tiny).to(DEVICE)
    found, expected = (
        evaluate(protocol, boxes, EncoderFeatures(encoder, "tiny"), per_class=12, progress=False)
        for encoder in (moved, tiny)
    )
    # A cloud between two classes may fall to either.
    assert found.metrics["accuracy"] == pytest.approx(expected.metrics["accuracy"], abs=0.03)
    assert found.metrics["accuracy"] > 1 / 3
