"""What the tests of fine-tuning share: a quick recipe, and a folder of small files."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.train.finetune import FinetuneConfig
from tests.helpers.finetune_data import write_folder


@pytest.fixture
def small(tiny: CrossJEPAEncoder, tmp_path: Path) -> FinetuneConfig:
    """A quick recipe that starts from a small model in a folder."""
    tiny.save_pretrained(tmp_path / "start")
    return FinetuneConfig.of(
        model=str(tmp_path / "start"),
        frozen_epochs=8,
        frozen_copies=2,
        epochs=4,
        batch_size=4,
        hidden=16,
        head_learning_rate=1e-2,
        learning_rate=3e-3,
        precision="float32",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten clouds of each of three classes as files."""
    return write_folder(tmp_path / "data")
