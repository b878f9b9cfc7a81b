"""What all views of an object have in common, read from the pooled tokens.

B clouds, D teacher width
"""

import torch.nn.functional as F
from torch import Tensor, nn


class ObjectLoss(nn.Module):
    """Smooth L1 between a linear readout of the pooled tokens and the mean embedding of the object's views.

    It is not the paper's. It makes features more linear in what the object is.

    Args:
        beta: error from which the loss grows linearly.
    """

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, readout_BD: Tensor, mean_BD: Tensor) -> Tensor:
        """Returns the mean over clouds and channels."""
        return F.smooth_l1_loss(readout_BD.float(), mean_BD, beta=self.beta)
