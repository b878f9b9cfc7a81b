"""What a run asks of its task.

B clouds, N points, Q query points, K classes, P parts
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crossjepa.batching import pad
from crossjepa.config import Axis, EncoderConfig, HeadConfig
from crossjepa.datasets import Dataset
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.models.heads import HeadFeatures, LevelFeatures, PooledFeatures
from crossjepa.result import Outcome
from crossjepa.train.finetune.augment import Augmentation, draw_augmentation
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.config import FinetuneConfig

Generators: TypeAlias = Sequence[np.random.Generator]


class Batch(NamedTuple):
    """Augmented clouds with what is to be found out about them.

    Attributes:
        points_BN3: (B, N, 3) float32.
        mask_BN: (B, N) bool, None if all points are real.
        label_B: (B,) int64 classes.
        queries_BQ3: (B, Q, 3) float32 points to label, None for classification.
        target: int64, what the loss compares with: `label_B`, or the (B, Q) parts of the queries.
    """

    points_BN3: Tensor
    mask_BN: Tensor | None
    label_B: Tensor
    queries_BQ3: Tensor | None
    target: Tensor

    def to(self, device: torch.device) -> Batch:
        """Returns the batch on a device."""
        return Batch(*(None if value is None else value.to(device) for value in self))  # type: ignore[arg-type]


class Score(NamedTuple):
    """How good a model is; the larger, the better.

    Attributes:
        value: accuracy, or instance mIoU.
        tie: what decides between equal values: minus the mean loss, or the share of right points.
    """

    value: float
    tie: float


class Task(ABC):
    """All that differs between the tasks; a run chooses one, by `make_task`.

    Args:
        config: the recipe.

    Attributes:
        with_parts: whether clouds need their original points and the parts of these.
        features: what the head reads.
    """

    with_parts: bool
    features: type[PooledFeatures] | type[LevelFeatures]

    def __init__(self, config: FinetuneConfig) -> None:
        self.config = config

    @abstractmethod
    def select_learnable(self, dataset: Dataset) -> Dataset:
        """Leaves out what cannot be learned.

        Raises:
            ValueError: the data set does not fit the task; the message says why.
        """

    @abstractmethod
    def head_config(self, dataset: Dataset, clouds: LabeledClouds) -> HeadConfig:
        """Returns the head for a data set.

        Raises:
            ValueError: the labels contradict each other.
        """

    def make_batch(
        self,
        clouds: LabeledClouds,
        rows: Sequence[int],
        up_axis: Axis,
        shapes: Generators,
        queries: Generators,
    ) -> Batch:
        """Augments some clouds.

        Args:
            clouds: the clouds.
            rows: which of them.
            up_axis: the axis that points up for the weights.
            shapes: one generator per cloud for its map and its noise.
            queries: one generator per cloud for the choice of its query points and their noise.
        """
        augmentation = draw_augmentation(self.config.augment, up_axis, shapes)
        queries_BQ3, target = self.draw_targets(clouds, rows, augmentation, queries)
        points_BN3, mask_BN = pad([clouds.points[row] for row in rows])
        return Batch(augmentation(points_BN3), mask_BN, clouds.labels_n[list(rows)], queries_BQ3, target)

    @abstractmethod
    def draw_targets(
        self, clouds: LabeledClouds, rows: Sequence[int], augmentation: Augmentation, queries: Generators
    ) -> tuple[Tensor | None, Tensor]:
        """Returns `queries_BQ3` and `target` of a batch; query points move with their cloud."""

    def class_weights(self, clouds: LabeledClouds, encoder: CrossJEPAEncoder) -> Tensor | None:
        """Returns the (K,) or (P,) weights of the loss, None if all are 1.

        They are inverse to how often a class or part occurs, 0 for those that do not; the others have mean 1.
        """
        if self.config.loss.class_weights == "none":
            return None
        labels, names = clouds.labels_n, encoder.classes
        if self.with_parts:
            labels, names = torch.cat(clouds.parts), encoder.part_names
        counts = torch.bincount(labels, minlength=len(names)).float()
        weights = torch.where(counts > 0, 1 / counts.clamp_min(1), 0.0)
        return weights * (counts > 0).sum() / weights.sum()

    def loss(self, scores: Tensor, batch: Batch, weights: Tensor | None) -> Tensor:
        """Cross-entropy with label smoothing, over clouds or over points."""
        flat, smoothing = scores.float().flatten(0, -2), self.config.loss.label_smoothing
        return F.cross_entropy(flat, batch.target.flatten(), weight=weights, label_smoothing=smoothing)

    @abstractmethod
    def packed_bytes(self, encoder: EncoderConfig) -> int:
        """Returns the memory that the packed features of one cloud take."""

    def pack(self, features: HeadFeatures) -> dict[str, Tensor]:
        """Returns the features of a batch as they are kept between the epochs of a frozen encoder."""
        return features._asdict()

    def unpack(self, packed: Mapping[str, Tensor]) -> HeadFeatures:
        """Returns float32 features of packed ones."""
        return self.features(
            **{name: value.float() if value.is_floating_point() else value for name, value in packed.items()}
        )

    @abstractmethod
    def score(
        self, encoder: CrossJEPAEncoder, features: Sequence[HeadFeatures], clouds: LabeledClouds
    ) -> Score:
        """Scores the head on clouds whose features are known."""

    @abstractmethod
    def log_values(self, score: Score) -> dict[str, float]:
        """Returns a score under the names that the log has for it; the first one chooses the epoch."""

    def calibrate(self, encoder: CrossJEPAEncoder, clouds: LabeledClouds) -> dict[str, float]:
        """Returns what `predict` needs to know of how sure the model is, from validation clouds."""
        return {}

    @abstractmethod
    def test(
        self, encoder: CrossJEPAEncoder, clouds: LabeledClouds, folder: Path, progress: bool | None
    ) -> Outcome:
        """Tests a fine-tuned model once, by the same code that answers `predict`.

        Args:
            encoder: the model.
            clouds: the test part.
            folder: where pictures and tables go.
            progress: show a progress bar.

        Returns:
            Metrics of the single pass, and of the vote if the recipe has several; one row per class.
        """
