"""Optimizer and learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from crossjepa.train.pretrain.config import PretrainConfig, Schedule


class RateConfig(Protocol):
    """What a schedule of the learning rate is made of; see `PretrainConfig`, which is one."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def final_learning_rate(self) -> float: ...
    @property
    def warmup_steps(self) -> int: ...
    @property
    def schedule(self) -> Schedule: ...
    @property
    def decay_share(self) -> float: ...


@dataclass(frozen=True)
class Rate:
    """A schedule on its own."""

    learning_rate: float
    final_learning_rate: float = 1e-6
    warmup_steps: int = 0
    schedule: Schedule = "cosine"
    decay_share: float = 1.0


def learning_rate(config: RateConfig, step: int, steps: int) -> float:
    """Linear warm-up to the peak, then, over the last part of the run, down along a cosine or a line."""
    peak, last = config.learning_rate, config.final_learning_rate
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    falling = config.decay_share * (steps - config.warmup_steps)
    left = min(1.0, (steps - step) / max(1.0, falling))
    share = left if config.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left))
    return last + (peak - last) * share


def refuse_infinite(place: str, *, loss: float, gradient: float) -> None:
    """Checks a step before it is taken.

    Raises:
        FloatingPointError: the loss or the norm of its gradient is not finite; the message says where.
    """
    for name, value in (("loss", loss), ("norm of the gradient", gradient)):
        if not math.isfinite(value):
            raise FloatingPointError(
                f"the {name} is {value} at {place}; lower the learning rate or try precision float32, "
                "in a new run, which can start from the last weights"
            )


class Optimizers:
    """One or two torch optimizers that step together at one learning rate."""

    def __init__(self, *optimizers: torch.optim.Optimizer) -> None:
        self.optimizers = optimizers

    def step(self, rate: float) -> None:
        """Updates the parameters and forgets the gradients.

        Args:
            rate: learning rate; groups with an `lr_scale`, as timm's layer decay makes them, take a share.
        """
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("lr_scale", 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """Returns the states in order."""
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Restores what `state_dict` returned."""
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)


def make_optimizers(model: nn.Module, config: PretrainConfig) -> Optimizers:
    """AdamW with weight decay on matrices; with "muon" the blocks' matrices go to Muon.

    Biases, norms and other vectors, and what a module's `no_weight_decay` (timm's hook) names, do not decay.

    Muon (Jordan et al. 2024) steps along the orthogonalised momentum. `match_rms_adamw` scales its steps to
    the size of AdamW's, so that both share a learning rate (Liu et al. 2025, "Muon is scalable").

    Raises:
        ValueError: this torch is too old to have Muon.
    """
    inner: list[Tensor] = []
    others: list[Tensor] = []
    without_decay: list[Tensor] = []
    spared = _spared(model)
    for name, value in model.named_parameters():
        if not value.requires_grad:
            continue
        if value.ndim < 2 or name in spared:
            without_decay.append(value)
        elif config.optimizer == "muon" and _inner(name, value):
            inner.append(value)
        else:
            others.append(value)
    groups: list[dict[str, Any]] = [
        {"params": others, "weight_decay": config.weight_decay},
        {"params": without_decay, "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    if not inner:
        return Optimizers(adamw)
    if not hasattr(torch.optim, "Muon"):
        raise ValueError("optimizer 'muon' needs torch 2.9 or newer; use --optimizer adamw")
    muon = torch.optim.Muon(
        inner, lr=config.learning_rate, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return Optimizers(muon, adamw)


def _spared(model: nn.Module) -> set[str]:
    """Returns the parameters that modules want to keep without weight decay."""
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if hasattr(module, "no_weight_decay")
        for name in module.no_weight_decay()
    }


def _inner(name: str, value: Tensor) -> bool:
    """Whether a parameter maps features to features, rather than coordinates in or embeddings out."""
    return value.ndim == 2 and min(value.shape) > 3 and (".blocks." in name or ".patch_embedding." in name)
