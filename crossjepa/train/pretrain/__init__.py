"""Pretraining from a cache of teacher embeddings."""

from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.recipes import load_config, options_of, with_options
from crossjepa.train.pretrain.run_options import RunOptions
from crossjepa.train.pretrain.trainer import pretrain

__all__ = ["PretrainConfig", "RunOptions", "load_config", "options_of", "pretrain", "with_options"]
