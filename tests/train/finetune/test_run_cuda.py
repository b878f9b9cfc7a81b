"""Fine-tuning on a GPU: the figures of the CPU, and a model that runs on both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.train.common.loggers import read_log
from crossjepa.train.finetune import FinetuneConfig, FinetuneOptions, finetune
from tests.helpers.cuda import DEVICE, FILES, ON_DEVICE
from tests.helpers.finetune_data import write_parts

pytestmark = ON_DEVICE


def trained(data: Path, output: Path, config: FinetuneConfig, device: str) -> list[dict[str, float]]:
    finetune(data, output, config, options=FinetuneOptions(device=device, progress=False))
    return read_log(output)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_classification(precision: str, small: FinetuneConfig, folder: Path, tmp_path: Path) -> None:
    config = small.change(frozen_epochs=1, epochs=1, dropout=0.0, votes=2, precision=precision)
    expected = trained(folder, tmp_path / "cpu", config, "cpu")
    found = trained(folder, tmp_path / "device", config, DEVICE)
    assert len(found) == len(expected) == 2
    tolerance = 1e-2 if precision == "float32" else 0.1
    for line, wanted in zip(found, expected, strict=True):
        assert line["loss"] == pytest.approx(wanted["loss"], rel=tolerance)
    for device in ("cpu", DEVICE):
        model = CrossJEPAEncoder.from_pretrained(tmp_path / "device", device=device)
        assert np.allclose(model.predict_proba(FILES).sum(axis=1), 1, atol=1e-5)


def test_parts(small: FinetuneConfig, tmp_path: Path) -> None:
    data = write_parts(tmp_path / "parts.npz")
    config = small.change(task="partseg", frozen_epochs=1, epochs=1, dropout=0.0, query_points=96)
    expected = trained(data, tmp_path / "cpu", config, "cpu")
    found = trained(data, tmp_path / "device", config, DEVICE)
    for line, wanted in zip(found, expected, strict=True):
        assert line["loss"] == pytest.approx(wanted["loss"], rel=1e-2)
    model = CrossJEPAEncoder.from_pretrained(tmp_path / "device", device=DEVICE)
    answer = model.predict_parts(FILES[0], model.classes[0])
    assert np.isfinite(answer.probabilities_N).all()
