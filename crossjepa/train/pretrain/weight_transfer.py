"""Initial weights of a run, and its predictor as it is released: in the teacher's own space.

B clouds, V views, P predictor width, D teacher width
"""

import logging
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from crossjepa import hub, model_files
from crossjepa.config import NAMED_SIZES, PredictorConfig, TeacherConfig, ViewPredictionConfig
from crossjepa.config_fields import from_dict
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.model import CrossJEPA
from crossjepa.model_files import compare_shapes
from crossjepa.train.cache import Cache, Views
from crossjepa.train.cache.concat import JoinedCaches
from crossjepa.train.common.checkpoint import load_checkpoint
from crossjepa.train.pretrain.model import PretrainModel
from crossjepa.train.pretrain.moving_average import final_weights

logger = logging.getLogger(__name__)

State = Mapping[str, Tensor]


def describe_predictor(
    network: PredictorConfig, cache: Cache | JoinedCaches, views: Views
) -> ViewPredictionConfig:
    """Returns the description of a predictor that learns from a cache, for `config.json`.

    Args:
        network: shape of the predictor.
        cache: the cache, whose manifest names the teachers.
        views: views of the cache, for the mean distance and histogram.
    """
    return ViewPredictionConfig.of(
        network,
        cache.teachers,
        distance=round(float(views.poses_BV5[..., 3].mean()), 4),
        histogram=tuple(round(share, 5) for share in views.histograms_BVH.mean(axis=(0, 1)).tolist()),
    )


def init_weights(
    model: PretrainModel, source: str, size: str, prediction: ViewPredictionConfig, targets: State
) -> None:
    """Fills a model with the weights of another run, or with released ones.

    Args:
        model: the model to fill.
        source: see `RunSection.init_from`.
        size: named size of the encoder.
        prediction: description of the model's own predictor.
        targets: state of `Targets`, the scaling in which it predicts.

    Raises:
        ValueError: the weights are of another size, recipe or teacher.
    """
    if source.endswith(".pt"):
        try:
            _take_checkpoint(model, load_checkpoint(source), prediction, targets)
        except ValueError as error:
            raise ValueError(f"{source} is of another recipe or teacher: {error}") from error
    elif source:
        released, taken = load_released(source, size), "its encoder and predictor"
        model.encoder.load_state_dict(released.encoder, strict=True)
        if reason := _why_not(released.prediction, prediction, model.teacher_layer is not None):
            taken = f"its encoder, with a new predictor ({reason})"
        else:
            model.predictor.load_state_dict(to_targets(released.predictor, targets), strict=True)
        logger.info("began with %s: %s", source, taken)


def _take_checkpoint(
    model: PretrainModel, state: Mapping[str, Any], prediction: ViewPredictionConfig, targets: State
) -> None:
    """Fills a model with the weights of another run, whose targets may be scaled differently."""
    if "prediction" in state:
        found = from_dict(ViewPredictionConfig, state["prediction"])
        if other := _other_teacher(found, prediction):
            raise ValueError(other)
    weights: State
    weights, own = final_weights(state), model.state_dict()
    shapes = [{name: tuple(each[name].shape) for name in each} for each in (weights, own)]
    if mismatch := compare_shapes(*shapes):
        raise ValueError(mismatch)
    # With other targets the last layers of the predictor and of the object head change so that they predict
    # the same embeddings. The readout of the contrast stays, since its length and offset have no meaning; so
    # do all layers with a learnable teacher and from older versions, which stored no scaling.
    before: State = state.get("targets", {})
    same = before.keys() == targets.keys() and all(
        torch.equal(value.cpu(), targets[name].cpu()) for name, value in before.items()
    )
    if "targets" in state and model.teacher_layer is None and not same:
        for layer in ("predictor.head.", "object_head."):
            weights = _rescaled(weights, layer, before, targets)
    model.load_state_dict(weights, strict=True)


def _rescaled(weights: State, layer: str, before: State, after: State) -> State:
    """Returns the weights with a layer, if they have it, changed to predict targets of another scaling."""
    names = {f"head.{kind}": f"{layer}{kind}" for kind in ("weight", "bias")}
    if f"{layer}weight" not in weights:
        return weights
    head = to_targets(to_teacher({own: weights[name] for own, name in names.items()}, before), after)
    return {**weights, **{name: head[own] for own, name in names.items()}}


def _other_teacher(found: ViewPredictionConfig, wanted: ViewPredictionConfig) -> str:
    """Returns how the teachers of a predictor differ from the wanted ones; "" if they are the same."""
    pairs = list(zip(found.each_teacher, wanted.each_teacher, strict=False))
    if len(found.each_teacher) == len(wanted.each_teacher) and all(_is_same(*pair) for pair in pairs):
        return ""
    known = all(each.weights_sha256 for pair in pairs for each in pair)
    own, other = (
        " + ".join(_teacher(each, known) for each in prediction.each_teacher)
        for prediction in (found, wanted)
    )
    return f"its {'teachers are' if found.teachers else 'teacher is'} {own}, not {other}"


def _is_same(teacher: TeacherConfig, other: TeacherConfig) -> bool:
    # A file and a timm tag may be the same teacher, and one name may stand for several.
    known = bool(teacher.weights_sha256 and other.weights_sha256)
    same = teacher.weights_sha256 == other.weights_sha256 if known else teacher.name == other.name
    return same and teacher.embedding == other.embedding


def _teacher(teacher: TeacherConfig, with_sum: bool) -> str:
    checksum = f", weights {teacher.weights_sha256[:12]}" if with_sum else ""
    return f"{teacher.name}, embedding {teacher.embedding}{checksum}"


def _why_not(released: ViewPredictionConfig | None, wanted: ViewPredictionConfig, learnable: bool) -> str:
    """Returns why a released predictor cannot be used; "" if it can."""
    if released is None:
        return "it has none"
    if released.network != wanted.network:
        return f"its own is {released.network}"
    if other := _other_teacher(released, wanted):
        return other
    return "the teacher is learnable" if learnable else ""


def to_teacher(predictor: State, targets: State) -> dict[str, Tensor]:
    """Turns a predictor of scaled targets into one of the teacher's embeddings by changing its last layer.

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


class Released(NamedTuple):
    """Released weights.

    Attributes:
        encoder: state of the encoder, without a head.
        predictor: state of the predictor, {} if there is none or it was not read.
        prediction: description of the predictor in config.json, None without one.
    """

    encoder: dict[str, Tensor]
    predictor: dict[str, Tensor]
    prediction: ViewPredictionConfig | None


def load_released(source: str | os.PathLike[str], size: str, *, predictor: bool = True) -> Released:
    """Reads released weights.

    Args:
        source: as for `CrossJEPAEncoder.from_pretrained`: a name, an org/repo, or a folder.
        size: the named size that the encoder must have.
        predictor: whether to read the predictor, if there is one.

    Raises:
        ValueError: the encoder is of another size.
    """
    folder, model = hub.locate(source), None
    if predictor and model_files.read_config(folder).predictor is not None:
        model = CrossJEPA.from_pretrained(source)
    encoder = model.encoder if model else CrossJEPAEncoder.from_pretrained(folder)
    encoder.reset_classifier(None)
    if encoder.config != NAMED_SIZES[size]:
        raise ValueError(f"{source}: its encoder is not of size {size}")
    if model is None:
        return Released(encoder.state_dict(), {}, None)
    return Released(encoder.state_dict(), model.predictor.state_dict(), model.prediction)
