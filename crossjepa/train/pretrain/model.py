"""What is learned: the teacher's embedding of each view, from the cloud's tokens and its conditioning.

B clouds, N points, G tokens, V views, C encoder width, H histogram bins, D teacher width
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from crossjepa.config import NAMED_SIZES, PredictorConfig
from crossjepa.models.point_encoder import PointEncoder
from crossjepa.models.predictor import ViewPredictor, mlp
from crossjepa.train.pretrain.batches import Batch
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.losses import (
    ContrastLoss,
    DenseLoss,
    ObjectLoss,
    OccupancyLoss,
    PointToPointLoss,
    ViewLoss,
)
from crossjepa.train.pretrain.teacher_parts import TeacherParts


class Losses(NamedTuple):
    """Float32 scalars: the sum that is minimized, and its parts by name, as far as the recipe has them."""

    total: Tensor
    parts: dict[str, Tensor]

    def named(self) -> dict[str, Tensor]:
        """Returns the sum as "total" and the parts, without their graph."""
        return {name: value.detach() for name, value in {"total": self.total, **self.parts}.items()}


class PretrainModel(nn.Module):
    """Encoder and predictor, with the losses between predicted and cached embeddings.

    Args:
        config: the recipe.
        target_width: channels of the teacher's embedding, or of all teachers together (D).
        teacher_widths: channels of each teacher, if there are several.
        dense_channels: channels of the dense targets, if the recipe has a loss on them.

    Raises:
        ValueError: the recipe's weights of teachers do not fit their number, or several would be learnable.
    """

    def __init__(
        self,
        config: PretrainConfig,
        target_width: int,
        teacher_widths: Sequence[int] = (),
        dense_channels: int = 0,
    ) -> None:
        super().__init__()
        self.config = config
        shape, loss = config.model, config.loss
        teachers = TeacherParts(teacher_widths, loss.teacher_weights)
        if loss.learnable_teacher and len(teacher_widths) > 1:
            raise ValueError("learnable_teacher needs a cache of one teacher")
        self.encoder = PointEncoder(NAMED_SIZES[shape.size])
        self.encoder.set_grad_checkpointing(shape.gradient_checkpointing)
        self.encoder_is_frozen = False
        width = self.encoder.num_features
        predictor = PredictorConfig(
            depth=shape.predictor_depth,
            target_width=target_width,
            conditioning=shape.conditioning,
            joint_attention=shape.joint_attention,
            camera_positions=shape.camera_positions,
        )
        self.predictor = ViewPredictor(predictor, width)
        self.predictor.set_grad_checkpointing(shape.gradient_checkpointing)
        self.teacher_layer = nn.Linear(target_width, target_width) if loss.learnable_teacher else None
        self.object_head = nn.Linear(2 * width, target_width) if loss.object_weight else None
        self.contrast = ContrastLoss(2 * width, target_width, teachers) if loss.contrast_weight else None
        self.points_head = mlp(2 * width, 2 * width) if loss.points_weight else None
        self.view_loss = ViewLoss(loss.smooth_l1_beta, teachers)
        self.object_loss = ObjectLoss(loss.smooth_l1_beta, teachers)
        self.points_loss = PointToPointLoss()
        self.occupancy_loss = OccupancyLoss(loss.occupancy_nodes, loss.smooth_l1_beta)
        # Made last, so that without it everything else begins with the same random weights.
        self.dense_loss = DenseLoss(width, dense_channels, loss.smooth_l1_beta) if loss.dense_weight else None

    def freeze_encoder(self, frozen: bool) -> None:
        """Keeps the encoder exactly as it is from now on, or lets it learn.

        A frozen encoder is in evaluation mode, as its batch norms would follow the batches, and costs only a
        forward pass.
        """
        self.encoder_is_frozen = frozen
        self.encoder.requires_grad_(not frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> PretrainModel:
        """Sets the mode, always evaluation for a frozen encoder; returns itself."""
        super().train(mode)
        self.encoder.train(mode and not self.encoder_is_frozen)
        return self

    def forward(self, batch: Batch, target_BVD: Tensor) -> Losses:
        """Predicts the embeddings of all views and compares them with the teacher's.

        Args:
            batch: clouds and the conditioning of their views.
            target_BVD: (B, V, D) float32 targets.

        Returns:
            The losses.
        """
        with self._precision(batch.points_BN3):
            # Tokens (B, G, C), pooled (B, 2C).
            encoded = self.encoder(batch.points_BN3, batch.mask_BN, pool="max+mean")
            predicted_BVD = self.predictor(
                encoded.tokens, encoded.centers, batch.pose_BV3, batch.histogram_BVH
            )
            object_BD = self.object_head(encoded.pooled) if self.object_head else None
            contrast_BD = self.contrast.readout(encoded.pooled) if self.contrast else None
            points_BC = self.points_head(encoded.pooled) if self.points_head else None
        if self.teacher_layer:
            target_BVD = self.teacher_layer(target_BVD)
        mean_BD = target_BVD.mean(dim=1)

        weights = self.config.loss
        total = view = self.view_loss(predicted_BVD, target_BVD)
        parts = {"view": view}
        if object_BD is not None:
            parts["object"] = self.object_loss(object_BD, mean_BD)
            total = total + weights.object_weight * parts["object"]
        if self.contrast and contrast_BD is not None:
            parts["contrast"] = self.contrast(contrast_BD, mean_BD)
            total = total + weights.contrast_weight * parts["contrast"]
        if points_BC is not None:
            parts["points"] = self.points_loss(
                points_BC, self._pooled(batch.other_points_BN3, batch.other_mask_BN)
            )
            total = total + weights.points_weight * parts["points"]
        if weights.occupancy_weight:
            parts["occupancy"] = self.occupancy_loss(encoded.tokens, batch.points_BN3)
            total = total + weights.occupancy_weight * parts["occupancy"]
        if self.dense_loss:
            parts["dense"] = self.dense_loss(
                encoded.tokens, encoded.centers, batch.queries_BQ3, batch.dense_BQK, batch.seen_BQ,
                encoded.token_mask,
            )  # fmt: skip
            total = total + weights.dense_weight * parts["dense"]
        return Losses(total, parts)

    @torch.no_grad()
    def _pooled(self, points_BN3: Tensor, mask_BN: Tensor | None) -> Tensor:
        """Returns the (B, 2C) pooled tokens of other points as they are, without a gradient."""
        with self._precision(points_BN3):
            pooled: Tensor = self.encoder(points_BN3, mask_BN, pool="max+mean").pooled
        return pooled

    def _precision(self, points_BN3: Tensor) -> torch.autocast:
        enabled = self.config.run.precision == "bfloat16"
        return torch.autocast(points_BN3.device.type, torch.bfloat16, enabled=enabled)
