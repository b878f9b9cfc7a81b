"""What differs between the tasks: batches, features that a head reads, loss and scores.

B clouds, N points, Q query points, K classes, P parts
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crossjepa.batching import EvaluationMode, pad
from crossjepa.datasets.part_metrics import PartScores, part_scores
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.models.heads import HeadFeatures, LevelFeatures
from crossjepa.train.finetune.augment import draw_augmentation
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.config import FinetuneConfig

Generators: TypeAlias = Sequence[np.random.Generator]


class Batch(NamedTuple):
    """Augmented clouds with what is to be found out about them.

    Attributes:
        points_BN3: (B, N, 3) float32.
        mask_BN: (B, N) bool, None when all points are real.
        label_B: (B,) int64 classes.
        queries_BQ3: (B, Q, 3) float32 points to label, None for classification.
        target: what the loss compares with: `label_B`, or the (B, Q) parts of the queries.
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


def make_batch(
    clouds: LabeledClouds, rows: Sequence[int], config: FinetuneConfig, encoder: CrossJEPAEncoder,
    shapes: Generators, queries: Generators,
) -> Batch:  # fmt: skip
    """Augments some clouds.

    Args:
        clouds: where from.
        rows: which.
        config: the recipe.
        encoder: its up axis is the one of the clouds.
        shapes: a generator a cloud for its map and its noise.
        queries: a generator a cloud for the choice of its query points and their noise.
    """
    augmentation = draw_augmentation(config, encoder.processor.config.up_axis, shapes)
    points_BN3, mask_BN = pad([clouds.points[row] for row in rows])
    label_B = clouds.labels_n[list(rows)]
    if not clouds.parts:
        return Batch(augmentation(points_BN3), mask_BN, label_B, None, label_B)
    chosen = [
        torch.from_numpy(generator.integers(0, len(clouds.parts[row]), config.query_points))
        for row, generator in zip(rows, queries, strict=True)
    ]
    queries_BQ3 = torch.stack(
        [clouds.queries[row][index_Q] for row, index_Q in zip(rows, chosen, strict=True)]
    )
    parts_BQ = torch.stack([clouds.parts[row][index_Q] for row, index_Q in zip(rows, chosen, strict=True)])
    moved_BQ3 = augmentation.with_draws(queries)(queries_BQ3)
    return Batch(augmentation(points_BN3), mask_BN, label_B, moved_BQ3, parts_BQ)


def loss_of(scores: Tensor, target: Tensor, config: FinetuneConfig, weights: Tensor | None) -> Tensor:
    """Cross-entropy with label smoothing, over clouds or over points."""
    flat = scores.float().flatten(0, -2)
    return F.cross_entropy(flat, target.flatten(), weight=weights, label_smoothing=config.label_smoothing)


def balanced_weights(clouds: LabeledClouds, count: int) -> Tensor:
    """Weighs classes, or parts, by the inverse of how often they occur; (count,) float32, mean 1."""
    occurring = torch.cat(clouds.parts) if clouds.parts else clouds.labels_n
    counts = torch.bincount(occurring, minlength=count).float()
    weights = torch.where(counts > 0, 1 / counts.clamp_min(1), 0.0)
    return weights * (counts > 0).sum() / weights.sum()


@torch.no_grad()
def read_features(encoder: CrossJEPAEncoder, clouds: LabeledClouds, batch_size: int) -> list[HeadFeatures]:
    """Returns what the head reads of the clouds as they are, in batches of `batch_size` and float32."""
    found: list[HeadFeatures] = []
    with EvaluationMode(encoder):
        for start in range(0, len(clouds), batch_size):
            points_BN3, mask_BN = pad(clouds.points[start : start + batch_size])
            mask_BN = None if mask_BN is None else mask_BN.to(encoder.device)
            found.append(encoder.head_features(points_BN3.to(encoder.device), mask_BN))
    return found


@torch.no_grad()
def score_head(encoder: CrossJEPAEncoder, features: Sequence[HeadFeatures], clouds: LabeledClouds) -> Score:
    """Scores the head on clouds whose features are known."""
    with EvaluationMode(encoder):
        if not clouds.parts:
            scores_nK = torch.cat([encoder.forward_head(batch) for batch in features]).float().cpu()
            right = (scores_nK.argmax(dim=1) == clouds.labels_n).float().mean()
            return Score(float(right), -float(F.cross_entropy(scores_nK, clouds.labels_n)))
        predicted = []
        for row, single in enumerate(_singles(features)):
            queries_1N3 = clouds.queries[row].unsqueeze(0).to(encoder.device)
            label = int(clouds.labels_n[row])
            label_1 = torch.tensor([label], device=encoder.device)
            scores_NP = encoder.forward_head(single, queries_1N3, label_1)[0]
            predicted.append(best_parts(encoder, scores_NP.float().cpu(), label))
    scores = score_parts(encoder, predicted, clouds)
    return Score(scores.instance_miou, scores.accuracy)


def best_parts(encoder: CrossJEPAEncoder, scores_NP: Tensor, label: int) -> Tensor:
    """Returns the (N,) best part among those of the class, which the field's protocol takes as known."""
    allowed = torch.tensor(encoder.class_parts[label])
    return allowed[scores_NP[:, allowed].argmax(dim=1)]


def score_parts(encoder: CrossJEPAEncoder, predicted: Sequence[Tensor], clouds: LabeledClouds) -> PartScores:
    """Scores (N_i,) predicted parts of clouds."""
    return part_scores(
        [parts_N.numpy() for parts_N in predicted],
        [parts_N.numpy() for parts_N in clouds.parts],
        clouds.labels_n.tolist(),
        dict(enumerate(encoder.class_parts)),
    )


def _singles(features: Sequence[HeadFeatures]) -> list[LevelFeatures]:
    """Takes batches of features apart."""
    return [
        LevelFeatures(*(value[row : row + 1] for value in batch))
        for batch in features
        for row in range(len(batch[0]))
    ]
