"""Pretraining from a cache of teacher embeddings."""

from crossjepa.train.pretrain.config import PretrainConfig, load_config
from crossjepa.train.pretrain.trainer import RunOptions, pretrain

__all__ = ["PretrainConfig", "RunOptions", "load_config", "pretrain"]
