"""What is learned: the teacher's embedding of each view, from the cloud's tokens and its conditioning.

B clouds, A clouds of all processes, N points, G tokens, V views, C encoder width, H histogram bins, D teacher
width, R embeddings for the statistics, M objects of the cache, L nodes of the occupancy's grid
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from crossjepa.config import NAMED_SIZES, PredictorConfig
from crossjepa.models.point_encoder import PointEncoder
from crossjepa.models.predictor import ViewPredictor
from crossjepa.train.common.distributed import gather_rows
from crossjepa.train.pretrain.batches import Batch
from crossjepa.train.pretrain.config import PretrainConfig, TargetScaling
from crossjepa.train.pretrain.occupancy import occupancy


class Targets(nn.Module):
    """Teacher embeddings, shifted and scaled by the statistics of the cache.

    The raw cosines of an image model's embeddings sit in a narrow band around their mean, so without the
    shift most of the loss is about a constant. Whitening also takes from the few directions in which
    embeddings vary most a part of their weight.
    """

    mean_D: Tensor
    std_D: Tensor
    whitening_DD: Tensor | None

    def __init__(self, embeddings_RD: NDArray[np.float32], scaling: TargetScaling) -> None:
        super().__init__()
        embeddings = torch.tensor(embeddings_RD)
        mean_D, std_D = embeddings.mean(dim=0), embeddings.std(dim=0).clamp_min(1e-4)
        if scaling == "center":
            std_D = torch.full_like(std_D, float((embeddings - mean_D).std()))
        if scaling == "none":
            mean_D, std_D = torch.zeros_like(mean_D), torch.ones_like(std_D)
        self.register_buffer("mean_D", mean_D)
        self.register_buffer("std_D", std_D)
        whitening_DD = _whitening(embeddings.sub_(mean_D).div_(std_D)) if scaling == "whiten" else None
        self.register_buffer("whitening_DD", whitening_DD)

    def forward(self, embeddings_BVD: Tensor) -> Tensor:
        """Returns the (B, V, D) float32 targets."""
        target_BVD: Tensor = (embeddings_BVD.float() - self.mean_D) / self.std_D
        return target_BVD if self.whitening_DD is None else F.linear(target_BVD, self.whitening_DD)


# Of whitening, the share that is done: at 1 the noise of the last directions counts as much as all else.
WHITENING = 0.5


def _whitening(scaled_RD: Tensor, share: float = WHITENING) -> Tensor:
    """Returns the symmetric (D, D) matrix that whitens by a share and leaves the mean variance at 1."""
    covariance_DD = torch.zeros(scaled_RD.shape[1], scaled_RD.shape[1], dtype=torch.float64)
    for start in range(0, len(scaled_RD), 4096):
        part = scaled_RD[start : start + 4096].double()
        covariance_DD += part.T @ part
    variance_D, directions_DD = torch.linalg.eigh(covariance_DD / len(scaled_RD))
    variance_D = variance_D.clamp_min(1e-4 * float(variance_D.max()))
    factor_D = variance_D ** (-share / 2)
    factor_D = factor_D / (variance_D * factor_D**2).mean().sqrt()
    whitening_DD: Tensor = (directions_DD * factor_D) @ directions_DD.T
    return whitening_DD.float()


class Losses(NamedTuple):
    """Float32 scalars: the sum that is minimized and its parts, None for those that the recipe leaves out."""

    total: Tensor
    view: Tensor
    object: Tensor | None
    contrast: Tensor | None
    points: Tensor | None
    occupancy: Tensor | None

    def named(self) -> dict[str, Tensor]:
        """Returns those that there are, by name and without their graph."""
        return {name: value.detach() for name, value in self._asdict().items() if value is not None}


class PretrainModel(nn.Module):
    """Encoder and predictor, with the loss between predicted and cached embeddings."""

    def __init__(self, config: PretrainConfig, target_width: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = PointEncoder(NAMED_SIZES[config.size])
        self.encoder.set_grad_checkpointing(config.gradient_checkpointing)
        self.encoder_is_frozen = False
        predictor = PredictorConfig(
            depth=config.predictor_depth,
            target_width=target_width,
            conditioning=config.conditioning,
            joint_attention=config.joint_attention,
            camera_positions=config.camera_positions,
        )
        width = self.encoder.num_features
        self.predictor = ViewPredictor(predictor, width)
        self.predictor.set_grad_checkpointing(config.gradient_checkpointing)
        self.teacher_layer = nn.Linear(target_width, target_width) if config.learnable_teacher else None
        self.object_head = nn.Linear(2 * width, target_width) if config.object_weight else None
        self.contrast = Contrast(2 * width, target_width) if config.contrast_weight else None
        self.points_head = _mlp(2 * width) if config.points_weight else None

    def freeze_encoder(self, frozen: bool) -> None:
        """Keeps the encoder exactly as it is from now on, or lets it learn.

        Frozen, it is in evaluation mode, as its batch norms would follow the batches, and costs a forward
        pass only.
        """
        self.encoder_is_frozen = frozen
        self.encoder.requires_grad_(not frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> PretrainModel:
        """Sets the mode, of a frozen encoder to evaluation; returns itself."""
        super().train(mode)
        self.encoder.train(mode and not self.encoder_is_frozen)
        return self

    def forward(self, batch: Batch, target_BVD: Tensor) -> Losses:
        """Computes the smooth-L1 losses.

        Args:
            batch: clouds and the conditioning of their views.
            target_BVD: (B, V, D) float32 targets.

        Returns:
            The losses.
        """
        enabled = self.config.precision == "bfloat16"
        with torch.autocast(batch.points_BN3.device.type, torch.bfloat16, enabled=enabled):
            encoded = self.encoder(batch.points_BN3, pool="max+mean")
            predicted_BVD = self.predictor(
                encoded.tokens, encoded.centers, batch.pose_BV3, batch.histogram_BVH
            )
            predicted_BD = self.object_head(encoded.pooled) if self.object_head else None
            told_apart_BD = self.contrast.readout(encoded.pooled) if self.contrast else None
            predicted_BC = self.points_head(encoded.pooled) if self.points_head else None
        if self.teacher_layer:
            target_BVD = self.teacher_layer(target_BVD)
        beta = self.config.smooth_l1_beta
        view = F.smooth_l1_loss(predicted_BVD.float(), target_BVD, beta=beta)
        of_object = contrast = of_points = of_occupancy = None
        mean_BD = target_BVD.mean(dim=1)
        if predicted_BD is not None:
            of_object = F.smooth_l1_loss(predicted_BD.float(), mean_BD, beta=beta)
        if self.contrast and told_apart_BD is not None:
            contrast = self.contrast(told_apart_BD.float(), mean_BD)
        if predicted_BC is not None:
            of_points = self._point_to_point(predicted_BC, batch.other_points_BN3)
        if self.config.occupancy_weight:
            occupancy_BL = occupancy(batch.points_BN3, self.config.occupancy_nodes)
            mean_BL = encoded.tokens.mean(dim=1, dtype=torch.float32)[:, : occupancy_BL.shape[1]]
            of_occupancy = F.smooth_l1_loss(mean_BL, occupancy_BL, beta=beta)
        total = view
        for weight, loss in (
            (self.config.object_weight, of_object),
            (self.config.contrast_weight, contrast),
            (self.config.points_weight, of_points),
            (self.config.occupancy_weight, of_occupancy),
        ):
            total = total if loss is None else total + weight * loss
        return Losses(total, view, of_object, contrast, of_points, of_occupancy)

    def _point_to_point(self, predicted_BC: Tensor, other_points_BN3: Tensor) -> Tensor:
        """Predicts the pooled tokens of another draw of points, as they stand (no gradient through them)."""
        enabled = self.config.precision == "bfloat16"
        device = other_points_BN3.device.type
        with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=enabled):
            target_BC = self.encoder(other_points_BN3, pool="max+mean").pooled
        return F.smooth_l1_loss(predicted_BC.float(), target_BC.float())


class Contrast(nn.Module):
    """Tells a cloud's object from others, by a linear readout in the space of the views' mean embeddings.

    Against the batch it is InfoNCE, both ways. Against the cache, a cloud is compared with every object in it
    and should find each as near as the teacher does: the embeddings of all of them are at hand.
    """

    MAX_SCALE = 50.0
    # Scale of the teacher's cosines: twins share the probability of an object, mere relatives hardly.
    TEACHER_SCALE = 20.0

    def __init__(self, width: int, target_width: int) -> None:
        super().__init__()
        self.readout = nn.Linear(width, target_width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        # No buffer: DistributedDataParallel would send it around in every step.
        self.objects_MD: Tensor | None = None

    def compare_with(self, objects_MD: Tensor) -> None:
        """Compares with these M embeddings from now on, rather than with the batch."""
        self.objects_MD = F.normalize(objects_MD, dim=-1)

    def forward(self, readout_BD: Tensor, mean_BD: Tensor) -> Tensor:
        """Returns the loss of this process's clouds against the clouds of all processes, or the cache."""
        readout_BD, mean_BD = F.normalize(readout_BD, dim=-1), F.normalize(mean_BD, dim=-1)
        scale = self.log_scale.exp().clamp(max=self.MAX_SCALE)
        if self.objects_MD is not None:
            nearness_BM = (self.TEACHER_SCALE * mean_BD @ self.objects_MD.T).softmax(dim=-1)
            return F.cross_entropy(scale * readout_BD @ self.objects_MD.T, nearness_BM)
        all_readouts_AD, first = gather_rows(readout_BD)
        all_means_AD, _ = gather_rows(mean_BD)
        own_B = first + torch.arange(len(readout_BD), device=readout_BD.device)
        forward = F.cross_entropy(scale * readout_BD @ all_means_AD.T, own_B)
        backward = F.cross_entropy(scale * mean_BD @ all_readouts_AD.T, own_B)
        return (forward + backward) / 2


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
