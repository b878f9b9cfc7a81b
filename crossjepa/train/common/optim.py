"""Learning rate schedule, the check of a step, and optimizers that step together."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from crossjepa.config_fields import Schedule


@dataclass(frozen=True)
class Rate:
    """A schedule of the learning rate; its fields are explained in `OptimSection` of pretraining."""

    learning_rate: float
    final_learning_rate: float = 1e-6
    warmup_steps: int = 0
    schedule: Schedule = "cosine"
    decay_share: float = 1.0


def learning_rate(config: Rate, step: int, steps: int) -> float:
    """Returns the rate of a step: linear warm-up to the peak; at the end, decay along a cosine or a line."""
    peak, last = config.learning_rate, config.final_learning_rate
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    falling = config.decay_share * (steps - config.warmup_steps)
    left = min(1.0, (steps - step) / max(1.0, falling))
    share = left if config.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left))
    return last + (peak - last) * share


def refuse_infinite(place: str, *, loss: float, gradient: float) -> None:
    """Checks a step before the parameters change.

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
        """Updates the parameters and clears the gradients.

        Args:
            rate: learning rate; groups with an `lr_scale`, as of timm's layer decay, multiply it by that.
        """
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("lr_scale", 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """Returns the states of the optimizers in order."""
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Restores what `state_dict` returned."""
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)
