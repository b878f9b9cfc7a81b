"""Fine-tuning: a head on the encoder, for classes of clouds or parts of points."""

from typing import TYPE_CHECKING

from crossjepa._lazy import lazy_names

if TYPE_CHECKING:
    from crossjepa.train.finetune.config import FinetuneConfig, FinetuneOptions
    from crossjepa.train.finetune.run import FinetuneRun, finetune

__all__ = ["FinetuneConfig", "FinetuneOptions", "FinetuneRun", "finetune"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "config": "FinetuneConfig FinetuneOptions",
        "run": "FinetuneRun finetune",
    },
    __all__,
)
