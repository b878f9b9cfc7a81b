"""Pretraining from a cache of teacher embeddings."""

from crossjepa.train.pretrain.config import PretrainConfig, RunOptions
from crossjepa.train.pretrain.recipes import load_config, options_of
from crossjepa.train.pretrain.trainer import pretrain

__all__ = ["PretrainConfig", "RunOptions", "load_config", "options_of", "pretrain"]
