"""The predictor of a run as it is released: in the teacher's own space, with the facts about it.

B clouds, V views, P predictor width, D teacher width
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from crossjepa.config import PredictorConfig, ViewPredictionConfig
from crossjepa.train.cache import Cache, Views
from crossjepa.train.checkpoint import Released
from crossjepa.train.joined import JoinedCaches
from crossjepa.train.objective import PretrainModel

State = Mapping[str, Tensor]


def describe_predictor(
    network: PredictorConfig, cache: Cache | JoinedCaches, views: Views
) -> ViewPredictionConfig:
    """Returns what `config.json` says about a predictor that learns from a cache.

    Args:
        network: its shape.
        cache: the cache, of which the teacher is read.
        views: views of the cache, of which the means are taken.
    """
    manifest = (cache.caches[0] if isinstance(cache, JoinedCaches) else cache).manifest
    teacher = manifest["recipe"].get("teacher")
    if not isinstance(teacher, Mapping):  # caches of format 1 know a name alone
        teacher = {"name": str(teacher).removesuffix(".safetensors"), "embedding": "cls"}
    return ViewPredictionConfig(
        network=network,
        teacher=str(teacher["name"]),
        embedding=str(teacher["embedding"]),
        distance=round(float(views.poses_BV5[..., 3].mean()), 4),
        histogram=tuple(round(share, 5) for share in views.histograms_BVH.mean(axis=(0, 1)).tolist()),
    )


def take_released(
    model: PretrainModel, released: Released, prediction: ViewPredictionConfig, targets: State
) -> str:
    """Fills a model with released weights, the predictor where it fits, and says what was taken.

    Args:
        model: the model to fill; the encoders are of one size.
        released: the weights.
        prediction: what the model's own predictor is.
        targets: state of `Targets`, the scaling in which it predicts.
    """
    model.encoder.load_state_dict(released.encoder, strict=True)
    reason = _why_not(released.prediction, prediction, model.teacher_layer is not None)
    if reason:
        return f"its encoder, with a new predictor ({reason})"
    model.predictor.load_state_dict(to_targets(released.predictor, targets), strict=True)
    return "its encoder and predictor"


def _why_not(released: ViewPredictionConfig | None, wanted: ViewPredictionConfig, learnable: bool) -> str:
    """Says why a released predictor is of no use; "" where it is."""
    if released is None:
        return "it has none"
    if released.network != wanted.network:
        return f"its own is {released.network}"
    if (released.teacher, released.embedding) != (wanted.teacher, wanted.embedding):
        return f"its teacher is {released.teacher}, embedding {released.embedding}"
    return "the teacher is learnable" if learnable else ""


def to_teacher(predictor: State, targets: State) -> dict[str, Tensor]:
    """Turns a predictor of scaled targets into one of the teacher's embeddings, by its last layer.

    Args:
        predictor: state of a `ViewPredictor`.
        targets: state of `Targets`.

    Returns:
        The state of the same predictor with another last layer.
    """
    scaling_DD, mean_D = _scaling(targets)
    weight_DP = torch.linalg.solve(scaling_DD, predictor["head.weight"].double())
    bias_D = torch.linalg.solve(scaling_DD, predictor["head.bias"].double()) + mean_D
    return {**predictor, "head.weight": weight_DP.float(), "head.bias": bias_D.float()}


def to_targets(predictor: State, targets: State) -> dict[str, Tensor]:
    """Turns a predictor of the teacher's embeddings into one of scaled targets: undoes `to_teacher`."""
    scaling_DD, mean_D = _scaling(targets)
    weight_DP = scaling_DD @ predictor["head.weight"].double()
    bias_D = scaling_DD @ (predictor["head.bias"].double() - mean_D)
    return {**predictor, "head.weight": weight_DP.float(), "head.bias": bias_D.float()}


def _scaling(targets: State) -> tuple[Tensor, Tensor]:
    """Returns the matrix and the mean of target = matrix (embedding - mean), in float64 on the CPU."""
    values = {name: value.detach().cpu().double() for name, value in targets.items()}
    scaling_DD = torch.diag(1 / values["std_D"])
    if "whitening_DD" in values:
        scaling_DD = values["whitening_DD"] @ scaling_DD
    return scaling_DD, values["mean_D"]
