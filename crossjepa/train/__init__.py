"""Rendering, teacher embeddings, and pretraining from them. Inference never imports this package."""

from __future__ import annotations

from crossjepa.train.config import PretrainConfig, load_config

__all__ = ["PretrainConfig", "load_config"]
