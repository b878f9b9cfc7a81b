"""Tensors that a run keeps on the disk until it has ended, so that one that was killed has them again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from crossjepa.files import atomic_write


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors, whole or not at all; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = save({name: value.contiguous() for name, value in tensors.items()})
    atomic_write(path, lambda file: file.write(content))


def load_tensors(path: Path) -> dict[str, Tensor] | None:
    """Reads what `save_tensors` wrote; None where there is nothing, or it is damaged."""
    try:
        return load(path.read_bytes())
    except (OSError, SafetensorError):
        return None
