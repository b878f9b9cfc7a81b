"""Features of a frozen encoder, computed once for a few augmented copies of every cloud.

n clouds, B clouds of a batch
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor

from crossjepa.batching import EvaluationMode, batch_starts
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.models.heads import HeadFeatures, LevelFeatures, PooledFeatures
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.config import FinetuneConfig
from crossjepa.train.finetune.draws import COPY, generators
from crossjepa.train.finetune.store import load_tensors, save_tensors
from crossjepa.train.finetune.tasks import make_batch

logger = logging.getLogger(__name__)

MOST_BYTES = 2 << 30


class FrozenFeatures:
    """What the head reads, of several copies of every cloud.

    Args:
        encoder: the frozen encoder.
        clouds: the clouds.
        config: the recipe; fewer copies are made where they would not fit into two gigabytes.
        folder: where the features are kept until the run has ended; None keeps them in memory alone.
        progress: show a progress bar.
    """

    def __init__(
        self,
        encoder: CrossJEPAEncoder,
        clouds: LabeledClouds,
        config: FinetuneConfig,
        folder: Path | None,
        progress: bool | None = None,
    ) -> None:
        self.encoder, self.clouds, self.config, self.progress = encoder, clouds, config, progress
        self.kind = LevelFeatures if clouds.parts else PooledFeatures
        self.copies = [self._load_or_make(folder, copy) for copy in range(self._count())]

    def batch(self, copy_B: list[int], row_B: list[int]) -> HeadFeatures:
        """Returns the features of one copy of each of some clouds."""
        columns = [
            torch.stack(
                [_unpacked(self.copies[copy][name][row]) for copy, row in zip(copy_B, row_B, strict=True)]
            )
            for name in self.kind._fields
        ]
        return self.kind(*(column.to(self.encoder.device) for column in columns))

    def _count(self) -> int:
        config = self.encoder.config
        per_cloud = 4 * 2 * config.width
        if self.clouds.parts:
            per_cloud = config.num_groups * (2 * 3 * config.width + 4 * 3 + 1)
        fitting = max(1, MOST_BYTES // (per_cloud * len(self.clouds)))
        if fitting < self.config.frozen_copies:
            logger.info("keeping %d copies of the features; more would take too much memory", fitting)
        return min(fitting, self.config.frozen_copies)

    def _load_or_make(self, folder: Path | None, copy: int) -> dict[str, Tensor]:
        if folder is None:
            return self._make(copy)
        path = folder / f"features-{copy}.safetensors"
        kept = load_tensors(path)
        if kept is None:
            kept = self._make(copy)
            save_tensors(path, kept)
        return kept

    @torch.no_grad()
    def _make(self, copy: int) -> dict[str, Tensor]:
        encoder, config = self.encoder, self.config
        parts: list[list[Tensor]] = []
        enabled = config.precision == "bfloat16"
        with EvaluationMode(encoder), torch.autocast(encoder.device.type, torch.bfloat16, enabled=enabled):
            for start in batch_starts(len(self.clouds), config.batch_size, self.progress, f"copy {copy + 1}"):
                rows = range(start, min(start + config.batch_size, len(self.clouds)))
                shapes = generators(config.seed, COPY, copy, rows)
                batch = make_batch(self.clouds, rows, config, encoder, shapes, shapes).to(encoder.device)
                features = encoder.head_features(batch.points_BN3, batch.mask_BN)
                parts.append([_packed(value.cpu()) for value in features])
        names = self.kind._fields
        return {name: torch.cat(column) for name, column in zip(names, zip(*parts, strict=True), strict=True)}


def _packed(values: Tensor) -> Tensor:
    """Tokens take half the memory in half precision; what is small stays as it is."""
    return values.half() if values.ndim == 3 and values.shape[-1] > 3 else values


def _unpacked(values: Tensor) -> Tensor:
    return values.float() if values.is_floating_point() else values
