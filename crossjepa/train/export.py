"""From a run to weights that `from_pretrained` loads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crossjepa.config import NAMED_SIZES, ModelConfig, ProcessorConfig
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.train.checkpoint import checkpoints, load_checkpoint, load_released


def export(
    run_folder: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    provenance: dict[str, Any] | None = None,
    *,
    average_with: Sequence[str | os.PathLike[str]] = (),
) -> CrossJEPAEncoder:
    """Writes the encoder of a run as config.json and float16 model.safetensors.

    Args:
        run_folder: folder of a run of `crossjepa.train.pretrain`.
        folder: where to.
        provenance: further facts for config.json.
        average_with: other weights, as for `CrossJEPAEncoder.from_pretrained`; what is written is the mean of
            all. It makes sense where one began with another, or all with the same (Wortsman et al. 2022,
            "Model soups").

    Returns:
        The encoder as it will be loaded.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: other weights are of another size.
    """
    run = Path(run_folder)
    found = checkpoints(run)
    if not found:
        raise FileNotFoundError(f"{run}: no checkpoint to export")
    state = load_checkpoint(found[-1])
    weights = {
        name.removeprefix("encoder."): value
        for name, value in state["model"].items()
        if name.startswith("encoder.")
    }
    # The file's name says what a run began with; where it lay is nobody's business.
    recipe = {**state["recipe"], "init_from": Path(state["recipe"].get("init_from", "")).name}
    shape = NAMED_SIZES[recipe["size"]]
    facts = {"steps": state["step"], "clouds_seen": state["step"] * recipe["batch_size"], "recipe": recipe}
    if average_with:
        weights = _mean([weights, *(load_released(source, recipe["size"]) for source in average_with)])
        facts["averaged_with"] = [Path(source).name for source in average_with]
    weights = {
        name: value.half().float() if value.is_floating_point() else value for name, value in weights.items()
    }
    config = ModelConfig(shape, ProcessorConfig(num_points=shape.num_points), {**(provenance or {}), **facts})
    encoder = CrossJEPAEncoder(config)
    encoder.load_state_dict(weights, strict=True)
    encoder.save_pretrained(folder, dtype=torch.float16)
    return encoder.eval()


def _mean(sources: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Returns the mean of the weights; counters are those of the first."""
    return {
        name: torch.stack([weights[name] for weights in sources]).mean(dim=0)
        if value.is_floating_point()
        else value
        for name, value in sources[0].items()
    }


def record(folder: str | os.PathLike[str], **facts: Any) -> None:
    """Adds facts, such as a measured accuracy, to the provenance of exported weights."""
    from crossjepa import hub
    from crossjepa.files import write_json

    config = hub.read_config(Path(folder))
    config = replace(config, provenance={**config.provenance, **facts})
    write_json(Path(folder) / hub.CONFIG_NAME, config.to_dict())
