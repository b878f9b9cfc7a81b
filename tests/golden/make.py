"""Writes the golden file that the tests hold the bundled weights to. Run only when the weights change.

python -m tests.golden.make
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from crossjepa import CrossJEPAEncoder

FOLDER = Path(__file__).resolve().parent
NAME = "crossjepa-base"


def main() -> None:
    """Encodes six clouds of different form and size and stores every stage."""
    encoder = CrossJEPAEncoder.from_pretrained(NAME)
    generator = np.random.default_rng(0)
    directions = generator.normal(size=(6, 1500, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    powers = np.array([1.0, 0.5, 2.0, 1.0, 4.0, 0.25])[:, None, None]
    stretch = generator.uniform(0.2, 1.0, (6, 1, 3))
    points = (np.sign(directions) * np.abs(directions) ** powers * stretch).astype(np.float32)
    normalized = torch.stack([encoder.preprocess(cloud) for cloud in points])
    with torch.inference_mode():
        tokens = encoder(normalized).tokens
    target = FOLDER / f"{NAME}.npz"
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
