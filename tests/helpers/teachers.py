"""Teachers for tests: the real one if it is present, and small ones with random weights."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

from crossjepa.train.cache import CacheConfig
from crossjepa.train.render.views import RenderConfig
from tests.conftest import shared_folder

REAL = "tf_efficientnet_lite2.safetensors"
# Small pictures of few points.
RENDER = RenderConfig(image_size=32, supersample=1, stored_points=64, rig="mvcnn12")


def small_teacher(folder: Path, architecture: str = "test_vit") -> str:
    """Writes one of timm's smallest models with random weights."""
    torch.manual_seed(0)
    path = folder / f"{architecture}.safetensors"
    save_file(timm.create_model(architecture).state_dict(), path)
    return str(path)


def small_cache_config(folder: Path) -> CacheConfig:
    """What makes a small cache quickly, with a small teacher in the folder."""
    return CacheConfig(small_teacher(folder), render=RENDER)


def real_or_small_teacher(folder: Path) -> str:
    """Returns the real teacher, or a small one where the folder of real data is absent."""
    shared = shared_folder()
    real = shared / "teacher" / REAL if shared else None
    return str(real) if real and real.is_file() else small_teacher(folder)
