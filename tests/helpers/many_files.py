"""Many small files, some of which cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def write_clouds(folder: Path, count: int, points: int = 80) -> list[Path]:
    """Writes clouds, of which every seventh is empty."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    files = [folder / f"{number:05d}.npy" for number in range(count)]
    for number, file in enumerate(files):
        np.save(file, rng.random((0 if number % 7 == 3 else points, 3), np.float32))
    return files


def bad_names(files: Sequence[Path]) -> list[str]:
    """Returns the names of those of `write_clouds` that cannot be used."""
    return [str(file) for number, file in enumerate(files) if number % 7 == 3]
