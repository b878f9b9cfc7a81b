"""What the predictor is told about a view: camera pose and color histogram.

B clouds, V views, P predictor width
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crossjepa.config import PredictorConfig

POSE_SCALARS = 3


class ViewConditioning(nn.Module):
    """Sum of an embedded pose and an embedded color histogram, each of which can be switched off.

    The sinusoidal pose and the 48-bin histogram follow what is known of the paper; the two-layer MLPs behind
    them are our reconstruction.
    """

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        width = config.width
        self.harmonics = width // (2 * POSE_SCALARS)
        uses_pose = config.conditioning in ("both", "pose")
        uses_histogram = config.conditioning in ("both", "histogram")
        self.pose_mlp = _mlp(2 * POSE_SCALARS * self.harmonics, width) if uses_pose else None
        self.histogram_mlp = _mlp(config.histogram_bins, width) if uses_histogram else None

    def forward(self, pose_BV3: Tensor, histogram_BVH: Tensor) -> Tensor:
        """Embeds views.

        Args:
            pose_BV3: (B, V, 3) azimuth and elevation in radians, distance in radii of the object.
            histogram_BVH: (B, V, 48) color histogram, 16 bins per channel.

        Returns:
            (B, V, P) conditioning, or zeros of shape (B, V, 1) if all of it is switched off.
        """
        total = torch.zeros_like(pose_BV3[..., :1])
        if self.pose_mlp is not None:
            total = total + _apply(self.pose_mlp, pose_features(pose_BV3, self.harmonics))
        if self.histogram_mlp is not None:
            total = total + _apply(self.histogram_mlp, histogram_BVH)
        return total


def pose_features(pose_BV3: Tensor, harmonics: int) -> Tensor:
    """Returns sines and cosines of integer multiples of the pose, so that azimuth stays periodic.

    Args:
        pose_BV3: (B, V, 3) azimuth and elevation in radians, distance.
        harmonics: multiples 1, 2, ... used of each scalar.

    Returns:
        (B, V, 3 * 2 * harmonics) features, a third for each scalar.
    """
    multiples = torch.arange(1, harmonics + 1, device=pose_BV3.device, dtype=pose_BV3.dtype)
    angle = pose_BV3.unsqueeze(-1) * multiples
    return torch.cat([angle.sin(), angle.cos()], dim=-1).flatten(-2)


def _apply(mlp: nn.Sequential, features: Tensor) -> Tensor:
    """Runs an MLP in the dtype of its weights; features of a pose are made before, in that of the pose."""
    return mlp(features.to(next(mlp.parameters()).dtype))  # type: ignore[no-any-return]


def camera_rotation(pose_BV3: Tensor) -> Tensor:
    """Rotations from the object's frame to those of upright cameras: right, up, back.

    Args:
        pose_BV3: (B, V, 3) azimuth and elevation in radians, distance.

    Returns:
        (B, V, 3, 3) rotations, whose rows are the camera's axes.
    """
    azimuth_BV, elevation_BV, _ = pose_BV3.unbind(dim=-1)
    sine_BV, cosine_BV = elevation_BV.sin(), elevation_BV.cos()
    right_BV3 = torch.stack([azimuth_BV.cos(), torch.zeros_like(azimuth_BV), -azimuth_BV.sin()], dim=-1)
    back_BV3 = torch.stack([cosine_BV * azimuth_BV.sin(), sine_BV, cosine_BV * azimuth_BV.cos()], dim=-1)
    return torch.stack([right_BV3, torch.linalg.cross(back_BV3, right_BV3), back_BV3], dim=-2)


def _mlp(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width))
