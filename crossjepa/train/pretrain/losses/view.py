"""The paper's loss: predicted against cached embeddings of views.

B clouds, V views, D teacher width
"""

import torch.nn.functional as F
from torch import Tensor, nn


class ViewLoss(nn.Module):
    """Smooth L1 between the predicted and the teacher's embedding of every view.

    CrossJEPA, arXiv 2511.18424; smooth L1 is Girshick 2015, "Fast R-CNN", arXiv 1504.08083.

    Args:
        beta: error from which the loss grows linearly.
    """

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, predicted_BVD: Tensor, target_BVD: Tensor) -> Tensor:
        """Returns the mean over clouds, views and channels."""
        return F.smooth_l1_loss(predicted_BVD.float(), target_BVD, beta=self.beta)
