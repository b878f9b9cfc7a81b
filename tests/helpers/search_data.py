"""A tiny model with views, its small teacher, and files for an index."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import torch

from crossjepa import CrossJEPA, PredictorConfig, ViewPredictionConfig
from crossjepa.index import ViewGrid
from crossjepa.train.cache.teacher import Teacher
from tests.conftest import SAMPLES
from tests.helpers.teachers import small_teacher
from tests.helpers.tiny_weights import make_encoder

GRID = ViewGrid((0.0, 90.0, 180.0, 270.0), (20.0,))
SHAPES = ("chair", "table", "horse")


class SearchData(NamedTuple):
    """Where everything lies."""

    model: str
    teacher: str
    shapes: Path


def write_search_data(folder: Path) -> SearchData:
    """Writes random weights with a predictor of views, their teacher, and three meshes."""
    teacher = small_teacher(folder)
    loaded = Teacher(teacher, 224)
    torch.manual_seed(0)
    network = PredictorConfig(24, 2, 2, target_width=loaded.width, camera_positions=True)
    described = ViewPredictionConfig(
        network, loaded.name, "cls", 3.0, (1 / 16,) * 48, teacher_sha256=loaded.weights_sha256
    )
    CrossJEPA(make_encoder(), described).save_pretrained(folder / "model")
    (folder / "shapes").mkdir()
    for name in SHAPES:
        shutil.copy(SAMPLES / f"{name}.obj", folder / "shapes")
    return SearchData(str(folder / "model"), teacher, folder / "shapes")
