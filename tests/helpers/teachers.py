"""Teachers for tests: small ones with random weights, and the name of a real one."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

from crossjepa.train.cache import CacheConfig
from crossjepa.train.render.views import RenderConfig

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
