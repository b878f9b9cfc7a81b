"""Writes the golden files: what the bundled weights answer, and the first losses of a small run.

    python -m tests.golden.make [NAME ...]

A name is that of a registered checkpoint, or "losses"; without names all are written. Run it only when the
weights change, or when training is meant to change.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from crossjepa import CrossJEPAEncoder, list_models
from crossjepa.train.common.distributed import process_group
from crossjepa.train.pretrain.config import PretrainConfig, RunOptions
from crossjepa.train.pretrain.trainer import Trainer
from tests.helpers.small_cache import CONFIG, make_cache

FOLDER = Path(__file__).resolve().parent
LOSSES = FOLDER / "losses.json"
# Every loss, both sizes of clouds, both ways to draw points. AdamW and a low rate: Muon orthogonalizes in
# bfloat16, and at a high rate rounding grows from step to step, so that other processors would end elsewhere.
RECIPE = CONFIG.change(
    steps=20,
    few_share=0.5,
    optimizer="adamw",
    learning_rate=3e-4,
    precision="float32",
    points_weight=0.5,
    occupancy_weight=4.0,
    occupancy_nodes=2,
    even_probability=0.5,
)


def main(names: list[str]) -> None:
    """Writes the files of the named checkpoints, or the losses."""
    for name in names or [*list_models(), "losses"]:
        make_losses() if name == "losses" else make(name)


def make(name: str) -> None:
    """Encodes six clouds of different form and size and stores every stage."""
    encoder = CrossJEPAEncoder.from_pretrained(name)
    generator = np.random.default_rng(0)
    directions = generator.normal(size=(6, 1500, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    powers = np.array([1.0, 0.5, 2.0, 1.0, 4.0, 0.25])[:, None, None]
    stretch = generator.uniform(0.2, 1.0, (6, 1, 3))
    points = (np.sign(directions) * np.abs(directions) ** powers * stretch).astype(np.float32)
    normalized = torch.stack([encoder.preprocess(cloud) for cloud in points])
    with torch.inference_mode():
        tokens = encoder(normalized).tokens
    target = FOLDER / f"{name}.npz"
    np.savez_compressed(
        target,
        points=points,
        normalized=normalized.numpy(),
        tokens=tokens.numpy().astype(np.float16),
        features=encoder.encode(points),
    )
    print(f"{target}: features of shape {encoder.encode(points).shape}")


def make_losses() -> None:
    """Trains for a few steps on one thread and stores the recipe, the losses and how they came about."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        losses = first_losses(Path(folder))
    made = f"by `python -m tests.golden.make losses`: torch {torch.__version__}, CPU, float32, one thread"
    content = {"made": made, "recipe": changed_keys(), "losses": losses}
    LOSSES.write_text(json.dumps(content, indent=2) + "\n")
    print(f"{LOSSES}: {len(losses)} losses, {losses[0]:.4f} to {losses[-1]:.4f}")


def changed_keys() -> dict[str, object]:
    """Returns the options of the recipe that are not at their defaults; later, new options change nothing."""
    usual = PretrainConfig().flat()
    return {key: value for key, value in RECIPE.flat().items() if value != usual[key]}


def first_losses(folder: Path) -> list[float]:
    """Returns the loss of every step of the recipe, on a cache that it makes in a folder."""
    make_cache(folder / "cache")
    config = RECIPE.change(cache=str(folder / "cache"))
    with process_group("cpu") as process:
        trainer = Trainer(config, folder / "run", process, RunOptions(device="cpu", progress=False))
        return [trainer.update(step)["loss"] for step in range(trainer.steps)]


if __name__ == "__main__":
    main(sys.argv[1:])
