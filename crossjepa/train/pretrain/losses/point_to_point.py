"""Two samples of points of one object, of which each should tell the tokens of the other.

B clouds, C channels of the pooled tokens
"""

import torch.nn.functional as F
from torch import Tensor, nn


class PointToPointLoss(nn.Module):
    """Smooth L1 between what an MLP predicts from the pooled tokens and those of another sample of points.

    The paper (arXiv 2511.18424) tried and rejected it.
    """

    def forward(self, predicted_BC: Tensor, other_BC: Tensor) -> Tensor:
        """Returns the mean over clouds and channels; no gradient should flow through the other sample."""
        return F.smooth_l1_loss(predicted_BC.float(), other_BC.float())
