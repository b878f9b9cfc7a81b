"""Checkpoints of a run: written atomically, the last few kept."""

import os
import re
from pathlib import Path
from typing import Any

import torch

from crossjepa.files import atomic_write

_NAME = re.compile(r"step-\d{9}\.pt")


def checkpoints(run: str | os.PathLike[str]) -> list[Path]:
    """Returns the checkpoints of a run, oldest first."""
    return sorted(path for path in Path(run).glob("*.pt") if _NAME.fullmatch(path.name))


def save_checkpoint(run: str | os.PathLike[str], step: int, state: dict[str, Any], keep: int) -> Path:
    """Writes `step-NNNNNNNNN.pt` and then removes all but the last `keep` checkpoints.

    Args:
        run: folder of the run.
        step: steps done.
        state: what to store: tensors, numbers, strings, and lists and dicts of them.
        keep: checkpoints to keep, at least one.

    Returns:
        The new file.
    """
    path = Path(run) / f"step-{step:09d}.pt"
    atomic_write(path, lambda file: torch.save({**state, "step": step}, file))
    for old in checkpoints(run)[: -max(keep, 1)]:
        old.unlink()
    return path


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads a checkpoint without running code from it.

    Raises:
        ValueError: the file is not a checkpoint; the message names it.
    """
    try:
        state = torch.load(Path(path), map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: not a readable checkpoint ({error})") from error
    missing = {"model", "step"} - set(state)
    if missing:
        raise ValueError(f"{path}: not a checkpoint of a pretraining run, it has no {sorted(missing)}")
    return dict(state)
