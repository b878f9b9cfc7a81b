"""Tiny models with random weights, and what they leave on the disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from crossjepa import (
    CrossJEPA,
    CrossJEPAEncoder,
    ModelConfig,
    PredictorConfig,
    ProcessorConfig,
    TeacherConfig,
    ViewPredictionConfig,
    WeightsError,
)
from crossjepa.config import NAMED_SIZES
from crossjepa.model_files import CONFIG_NAME

Fingerprint = dict[str, bytes]


def make_encoder(seed: int = 0) -> CrossJEPAEncoder:
    """Returns a tiny encoder with random weights."""
    torch.manual_seed(seed)
    config = ModelConfig(NAMED_SIZES["crossjepa-test"], ProcessorConfig(num_points=64))
    return CrossJEPAEncoder(config).with_provenance(license="Apache-2.0", data="none").eval()


def make_view_model(
    seed: int = 0, *, joint_attention: bool = False, camera_positions: bool = False
) -> CrossJEPA:
    """Returns the tiny encoder of a seed with a tiny predictor of random weights."""
    encoder = make_encoder(seed)
    network = PredictorConfig(
        24, 2, 2, target_width=10, joint_attention=joint_attention, camera_positions=camera_positions
    )
    histogram = tuple(round(number / 1000, 3) for number in range(48))
    return CrossJEPA(encoder, ViewPredictionConfig(network, "blobs", "cls", 3.0, histogram)).eval()


def of_two_teachers(model: CrossJEPA) -> CrossJEPA:
    """Returns the model with its ten channels described as those of two teachers."""
    teachers = TeacherConfig("blobs", "cls", 6, "12ab"), TeacherConfig("lumps", "layers", 4)
    before = model.prediction
    described = ViewPredictionConfig.of(before.network, teachers, before.distance, before.histogram)
    several = CrossJEPA(model.encoder, described)
    several.load_state_dict(model.state_dict())
    return several.eval()


def fingerprint(model: CrossJEPAEncoder | CrossJEPA) -> Fingerprint:
    """Returns the bytes of every tensor."""
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def saved_files(model: CrossJEPAEncoder | CrossJEPA, folder: Path) -> dict[str, bytes | None]:
    """Saves a model and returns the written files."""
    model.save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(folder: Path, name: str) -> str:
    """Returns the reason for which a folder is refused; the message must name the file."""
    with pytest.raises(WeightsError) as caught:
        CrossJEPAEncoder.from_pretrained(folder)
    assert caught.value.source == str(folder / name)
    return caught.value.reason


def change_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Saves an encoder, changes its stored config and returns why it is refused."""
    make_encoder().save_pretrained(folder)
    values = json.loads((folder / CONFIG_NAME).read_text())
    change(values)
    (folder / CONFIG_NAME).write_text(json.dumps(values))
    return refused(folder, CONFIG_NAME)
