"""Inputs of any kind and size as batches, and the mode in which they are encoded.

B clouds, N points
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crossjepa.processor import Source


class EvaluationMode:
    """Evaluation mode within a block, training mode again after it where it was on."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module, self.was_training = module, module.training

    def __enter__(self) -> None:
        self.module.eval()

    def __exit__(self, *_: object) -> None:
        self.module.train(self.was_training)


def pad(clouds: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Stacks clouds of different sizes.

    Args:
        clouds: (N_i, 3) tensors.

    Returns:
        points_BN3: (B, N, 3), short clouds filled up with zeros.
        mask_BN: (B, N) bool, True for real points; None when all clouds have the same size.
    """
    sizes = [len(cloud) for cloud in clouds]
    if min(sizes) == max(sizes):
        return torch.stack(list(clouds)), None
    points_BN3 = torch.nn.utils.rnn.pad_sequence(list(clouds), batch_first=True)
    return points_BN3, torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]


def as_list(sources: Any) -> tuple[list[Source], bool]:
    """Returns inputs as a list, and whether it was a single one."""
    if isinstance(sources, (np.ndarray, Tensor)):
        return (list(sources), False) if sources.ndim == 3 else ([sources], True)
    if isinstance(sources, (list, tuple)):
        return list(sources), False
    if isinstance(sources, Iterable) and not isinstance(sources, (str, os.PathLike)):
        return list(sources), False
    return [sources], True


def batch_starts(count: int, batch_size: int, show: bool | None, title: str) -> Iterator[int]:
    """Yields where each batch starts.

    Args:
        count: inputs in all.
        batch_size: inputs a batch.
        show: show a progress bar; by default when there are more than four batches.
        title: what the bar says.

    Raises:
        ValueError: the batch size is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    starts = range(0, count, batch_size)
    if show is False or (show is None and len(starts) <= 4):
        return iter(starts)
    from tqdm.auto import tqdm

    return iter(tqdm(starts, unit="batch", desc=title))
