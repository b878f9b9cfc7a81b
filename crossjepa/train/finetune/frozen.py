"""What the head reads: of clouds as they are, and of augmented copies that a frozen encoder sees only once.

n clouds, B clouds of a batch
"""

import logging
from pathlib import Path

import torch
from torch import Tensor

from crossjepa.batching import batch_starts, prepared_batches
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.models.evaluation_view import evaluation_view
from crossjepa.models.heads import HeadFeatures
from crossjepa.train.finetune.augment import COPY, generators
from crossjepa.train.finetune.clouds import LabeledClouds, load_tensors, save_tensors
from crossjepa.train.finetune.tasks import Task

logger = logging.getLogger(__name__)

MOST_BYTES = 2 << 30


@torch.no_grad()
def read_features(encoder: CrossJEPAEncoder, clouds: LabeledClouds, batch_size: int) -> list[HeadFeatures]:
    """Returns what the head reads of the clouds as they are, in batches of `batch_size` and float32."""
    found, model = list[HeadFeatures](), evaluation_view(encoder)
    for points_BN3, mask_BN in prepared_batches(clouds.prepared(), batch_size):
        mask_BN = None if mask_BN is None else mask_BN.to(encoder.device)
        found.append(model.head_features(points_BN3.to(encoder.device), mask_BN))
    return found


class FrozenFeatures:
    """What the head reads, of several augmented copies of every cloud.

    Args:
        encoder: the frozen encoder.
        clouds: the clouds.
        task: the task; fewer copies are made than its recipe asks for if these would not fit into two
            gigabytes.
        folder: where the features are kept until the run has ended; None keeps them in memory only.
        progress: show a progress bar.
    """

    def __init__(
        self,
        encoder: CrossJEPAEncoder,
        clouds: LabeledClouds,
        task: Task,
        folder: Path | None,
        progress: bool | None = None,
    ) -> None:
        self.encoder, self.clouds, self.task, self.progress = encoder, clouds, task, progress
        count = task.config.schedule.frozen_copies
        fitting = max(1, MOST_BYTES // (task.packed_bytes(encoder.config) * len(clouds)))
        if fitting < count:
            logger.info("keeping %d copies of the features; more would take too much memory", fitting)
        self.copies = [self._load_or_make(folder, copy) for copy in range(min(fitting, count))]

    def batch(self, copy_B: list[int], row_B: list[int]) -> HeadFeatures:
        """Returns the features of one copy of each of some clouds."""
        singles = [
            self.task.unpack({name: values[row] for name, values in self.copies[copy].items()})
            for copy, row in zip(copy_B, row_B, strict=True)
        ]
        columns = (torch.stack(column).to(self.encoder.device) for column in zip(*singles, strict=True))
        return type(singles[0])(*columns)

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
        encoder, config = self.encoder, self.task.config
        up_axis, batch_size = encoder.processor.config.up_axis, config.optim.batch_size
        parts: list[dict[str, Tensor]] = []
        enabled = config.precision == "bfloat16"
        model = evaluation_view(encoder)
        with torch.autocast(encoder.device.type, torch.bfloat16, enabled=enabled):
            for start in batch_starts(len(self.clouds), batch_size, self.progress, f"copy {copy + 1}"):
                rows = range(start, min(start + batch_size, len(self.clouds)))
                shapes = generators(config.seed, COPY, copy, rows)
                batch = self.task.make_batch(self.clouds, rows, up_axis, shapes, shapes).to(encoder.device)
                features = self.task.pack(model.head_features(batch.points_BN3, batch.mask_BN))
                parts.append({name: value.cpu() for name, value in features.items()})
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
