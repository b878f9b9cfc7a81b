"""Fine-tuning: a head on the encoder, for classes of clouds or parts of points."""

from __future__ import annotations

from crossjepa.train.finetune.config import FinetuneConfig
from crossjepa.train.finetune.finetune import finetune
from crossjepa.train.finetune.trainer import FinetuneOptions

__all__ = ["FinetuneConfig", "FinetuneOptions", "finetune"]
