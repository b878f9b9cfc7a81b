"""The exponential moving average of the weights of a run: evaluated and exported in their place."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from crossjepa.train.pretrain.model import PretrainModel

PREFIX = "module."

Tensors: TypeAlias = tuple[Tensor, ...] | list[Tensor]


def make_average(model: PretrainModel, decay: float) -> AveragedModel:
    """Returns a copy of a model that `update_parameters` moves towards the model by 1 - decay.

    The running statistics of batch norms are averaged like the weights: those of the last step belong to
    other weights. In the first steps the decay is smaller, (1 + steps) / (10 + steps), so that the random
    weights of the start do not stay in the average.

    Args:
        model: the model, whose objects to compare with are shared.
        decay: share of the average that a step keeps.
    """

    def update(average: Tensors, current: Tensors, steps: Tensor | int) -> None:
        grown = min(decay, (1 + float(steps)) / (10 + float(steps)))
        get_ema_multi_avg_fn(grown)(average, current, steps)  # type: ignore[no-untyped-call]

    # The average is made before there are objects to compare with, which would be copied.
    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    return average.requires_grad_(False).eval()


def final_weights(state: Mapping[str, Any], *, raw: bool = False) -> dict[str, Tensor]:
    """Returns the weights with which a run ends: their moving average, if it has one.

    Args:
        state: checkpoint.
        raw: take those of the last step.
    """
    weights: dict[str, Tensor] = dict(state["model"])
    if raw or "average" not in state:
        return weights
    average = state["average"]
    # Counters of batches are no numbers to average.
    return {
        name: average[f"{PREFIX}{name}"] if value.is_floating_point() else value
        for name, value in weights.items()
    }
