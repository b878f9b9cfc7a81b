"""Pretraining from a cache of teacher embeddings."""

from typing import TYPE_CHECKING

from crossjepa._lazy import lazy_names

if TYPE_CHECKING:
    from crossjepa.train.pretrain.config import PretrainConfig, RunOptions
    from crossjepa.train.pretrain.recipes import load_config, options_of
    from crossjepa.train.pretrain.trainer import pretrain

__all__ = ["PretrainConfig", "RunOptions", "load_config", "options_of", "pretrain"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "config": "PretrainConfig RunOptions",
        "recipes": "load_config options_of",
        "trainer": "pretrain",
    },
    __all__,
)
