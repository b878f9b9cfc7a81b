"""The first losses of a small run are those of the golden file, so that a change of training is seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.golden.make import LOSSES, changed_keys, first_losses


def test_first_losses_are_the_golden_ones(tmp_path: Path) -> None:
    golden = json.loads(LOSSES.read_text())
    assert golden["recipe"] == changed_keys(), "write the file anew: python -m tests.golden.make losses"
    np.testing.assert_allclose(first_losses(tmp_path), golden["losses"], rtol=1e-4)
