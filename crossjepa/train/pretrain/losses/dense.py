"""What the teacher's maps hold at points of the object, read from the tokens there.

B clouds, G tokens, C encoder width, Q points with targets, K channels of the targets
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossjepa.ops import interpolate_tokens


class DenseLoss(nn.Module):
    """Smooth L1 between a linear readout of the features at points and the teacher's features there.

    The features are those of `CrossJEPAEncoder.encode_points`, the means of the nearest tokens weighted by
    inverse distance; beside them the readout is told where the point lies among the centers of these tokens.
    Points that no picture shows do not count. It is not the paper's.

    Args:
        width: channels of the tokens (C).
        channels: channels of the targets (K).
        beta: error from which the loss grows linearly.
    """

    def __init__(self, width: int, channels: int, beta: float) -> None:
        super().__init__()
        self.readout = nn.Linear(width + 3, channels)
        self.beta = beta

    def forward(
        self,
        tokens_BGC: Tensor,
        centers_BG3: Tensor,
        points_BQ3: Tensor,
        target_BQK: Tensor,
        seen_BQ: Tensor,
        token_mask_BG: Tensor | None = None,
    ) -> Tensor:
        """Returns the mean over the points that are seen, and channels; 0 if none is."""
        features_BGX = torch.cat([tokens_BGC.float(), centers_BG3], dim=2)
        near_BQX = interpolate_tokens(points_BQ3, centers_BG3, features_BGX, token_mask_BG)
        feature_BQC, center_BQ3 = near_BQX[..., :-3], near_BQX[..., -3:]
        predicted_BQK = self.readout(torch.cat([feature_BQC, points_BQ3 - center_BQ3], dim=2))
        error_BQK = F.smooth_l1_loss(predicted_BQK, target_BQK, beta=self.beta, reduction="none")
        return (error_BQK.mean(dim=2) * seen_BQ).sum() / seen_BQ.sum().clamp_min(1)
