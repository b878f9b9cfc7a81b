"""From a run to weights that `from_pretrained` loads."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crossjepa import model_files
from crossjepa.config import NAMED_SIZES, ModelConfig, ProcessorConfig, ViewPredictionConfig
from crossjepa.config_fields import from_dict
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.pretrain.moving_average import final_weights
from crossjepa.train.pretrain.recipes import options_of
from crossjepa.train.pretrain.weight_transfer import load_released, to_teacher

logger = logging.getLogger(__name__)


def export(
    run_folder: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    provenance: dict[str, Any] | None = None,
    *,
    average_with: Sequence[str | os.PathLike[str]] = (),
    raw: bool = False,
) -> CrossJEPAEncoder:
    """Writes a run as config.json, float16 model.safetensors and, for its predictor, predictor.safetensors.

    The predictor is left out, with a warning, if its predictions cannot be had in the teacher's space: for
    checkpoints of older versions, a learnable teacher, or a mean of weights.

    Args:
        run_folder: folder of a run of `pretrain`.
        folder: where to write the weights.
        provenance: further facts for config.json.
        average_with: other weights, as for `CrossJEPAEncoder.from_pretrained`; the mean of all is written. It
            makes sense only if one run started from the other, or all from the same weights (Wortsman et al.
            2022, "Model soups").
        raw: of a run with a moving average of the weights (`ema_decay`), write those of the last step.

    Returns:
        The encoder as it will be loaded.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: some of the other weights are of another size.
    """
    state = _last_checkpoint(run_folder, raw)
    weights, facts = _part(state, "encoder."), _facts(state)
    size, no_predictor = facts["recipe"]["size"], _why_no_predictor(state)
    if average_with:
        others = (load_released(source, size, predictor=False) for source in average_with)
        sources = [weights, *(other.encoder for other in others)]
        for name, value in weights.items():  # counters are those of the run
            if value.is_floating_point():
                weights[name] = torch.stack([source[name] for source in sources]).mean(dim=0)
        facts["averaged_with"] = [Path(source).name for source in average_with]
        no_predictor = "a mean of weights has none"
    if no_predictor:
        logger.warning("%s: without a predictor: %s", folder, no_predictor)
    prediction, predictor = (None, None) if no_predictor else _predictor(state)
    shape = NAMED_SIZES[size]
    config = ModelConfig(
        shape,
        ProcessorConfig(num_points=shape.num_points),
        {**(provenance or {}), **facts},
        predictor=prediction,
    )
    encoder = CrossJEPAEncoder(config)
    encoder.load_state_dict({name: value.float() for name, value in _half(weights).items()}, strict=True)
    model_files.save_weights(folder, _half(weights), config, predictor)
    return encoder.eval()


def export_predictor(
    run_folder: str | os.PathLike[str], folder: str | os.PathLike[str], *, raw: bool = False
) -> None:
    """Adds the predictor of a run to released weights; their model.safetensors stays as it is.

    Args:
        run_folder: folder of a run that left the encoder of these weights as it was (`frozen_steps`).
        folder: folder of the weights; its config.json gets a section on the predictor. An old predictor is
            replaced, even if it is damaged.
        raw: as for `export`.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: the run ended with another encoder, or its predictor cannot be released.
    """
    state, target = _last_checkpoint(run_folder, raw), Path(folder).absolute()
    no_predictor = _why_no_predictor(state)
    if no_predictor:
        raise ValueError(f"{run_folder}: no predictor to export: {no_predictor}")
    released = _half(load_released(target, state["recipe"]["size"], predictor=False).encoder)
    weights = _half(_part(state, "encoder."))
    changed = [name for name in weights if not torch.equal(weights[name], released[name])]
    if changed:
        raise ValueError(
            f"{run_folder}: its encoder is not that of {folder} ({len(changed)} tensors differ, such as "
            f"{changed[0]}); begin with --init-from {folder} and freeze it to the end, by --frozen-steps"
        )
    prediction, predictor = _predictor(state)
    config = model_files.read_config(target)
    provenance = {**config.provenance, "predictor": _facts(state)}
    model_files.save_predictor(
        target, predictor, replace(config, predictor=prediction, provenance=provenance)
    )


def _last_checkpoint(run_folder: str | os.PathLike[str], raw: bool) -> dict[str, Any]:
    """Returns the last checkpoint, with the weights to export as its "model"."""
    found = checkpoints(run_folder)
    if not found:
        raise FileNotFoundError(f"{run_folder}: no checkpoint to export")
    state = load_checkpoint(found[-1])
    return {**state, "model": final_weights(state, raw=raw), "raw": raw}


def _facts(state: dict[str, Any]) -> dict[str, Any]:
    """Returns what config.json says about the training."""
    # Only the name of the initial weights: their path is nobody's business.
    recipe = options_of(state["recipe"])
    recipe["init_from"] = Path(recipe.get("init_from", "")).name
    facts = {"steps": state["step"], "clouds_seen": state["step"] * recipe["batch_size"], "recipe": recipe}
    if "average" in state:
        facts["weights"] = "of the last step" if state["raw"] else "moving average"
    return facts


def _why_no_predictor(state: dict[str, Any]) -> str:
    """Returns why the predictor of a checkpoint cannot be released; "" if it can."""
    if "prediction" not in state:
        return "the checkpoint is of an older version, which stored no scaling of the targets"
    if state["recipe"]["learnable_teacher"]:
        return "with a learnable teacher it predicts no embedding of the teacher"
    return ""


def _predictor(state: dict[str, Any]) -> tuple[ViewPredictionConfig, dict[str, Tensor]]:
    """Returns the predictor of a checkpoint in the teacher's own space."""
    predictor = to_teacher(_part(state, "predictor."), state["targets"])
    return from_dict(ViewPredictionConfig, state["prediction"]), _half(predictor)


def _part(state: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    """Returns the weights of one part of the model."""
    named = state["model"].items()
    return {name.removeprefix(prefix): value for name, value in named if name.startswith(prefix)}


def _half(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return model_files.converted(weights, torch.float16)


def record(folder: str | os.PathLike[str], **facts: Any) -> None:
    """Adds facts, such as a measured accuracy, to the provenance of exported weights."""
    config = model_files.read_config(Path(folder))
    model_files.save_config(folder, replace(config, provenance={**config.provenance, **facts}))
