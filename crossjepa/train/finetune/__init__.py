"""Fine-tuning: a head on the encoder, for classes of clouds or parts of points."""

from crossjepa.train.finetune.config import FinetuneConfig, FinetuneOptions
from crossjepa.train.finetune.finetune import FinetuneRun, finetune

__all__ = ["FinetuneConfig", "FinetuneOptions", "FinetuneRun", "finetune"]
