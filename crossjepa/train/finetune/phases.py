"""The phases of a run, and what learns in each of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.train.common.optim import Optimizers
from crossjepa.train.finetune.config import FinetuneConfig


@dataclass(frozen=True)
class Phase:
    """A part of the run: the head alone, or the whole network.

    Attributes:
        name: "head" or "all".
        frozen: whether the encoder stays as it is.
        epochs: most epochs.
        learning_rate: its peak.
        layer_decay: factor of the learning rate from each layer to the one before it.
    """

    name: str
    frozen: bool
    epochs: int
    learning_rate: float
    layer_decay: float


def phases_of(config: FinetuneConfig) -> list[Phase]:
    """Returns the phases of a run."""
    optim, schedule = config.optim, config.schedule
    if config.from_scratch:
        return [Phase("all", False, schedule.epochs, optim.scratch_learning_rate, 1.0)]
    phases = [
        Phase("head", True, schedule.frozen_epochs, optim.head_learning_rate, 1.0),
        Phase("all", False, schedule.epochs, optim.learning_rate, optim.layer_decay),
    ]
    return [phase for phase in phases if phase.epochs]


def make_optimizer(
    encoder: CrossJEPAEncoder, phase: Phase, weight_decay: float
) -> tuple[Optimizers, list[Tensor]]:
    """Chooses what learns in a phase, and makes its optimizer.

    Args:
        encoder: the model; its parameters are told whether they need gradients.
        phase: the phase.
        weight_decay: on matrices only.

    Returns:
        The optimizer and the parameters that learn.
    """
    # timm takes long to import, and nobody who only evaluates needs it.
    from timm.optim import param_groups_layer_decay  # type: ignore[attr-defined]

    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(not phase.frozen or name.startswith("head."))
    groups = param_groups_layer_decay(
        encoder, weight_decay, encoder.no_weight_decay(), layer_decay=phase.layer_decay
    )
    learning = [value for group in groups for value in group["params"]]
    return Optimizers(torch.optim.AdamW(groups, lr=phase.learning_rate)), learning
