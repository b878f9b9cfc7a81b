"""Writes the golden files that the tests hold the bundled weights to. Run only when the weights change.

python -m tests.golden.make
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from crossjepa import CrossJEPAEncoder, list_models

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    """Writes the file of every registered checkpoint."""
    for name in list_models():
        make(name)


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


if __name__ == "__main__":
    main()
