"""What is predicted: the teacher's embeddings, scaled by the statistics of the cache.

B clouds, V views, D teacher width, R embeddings for the statistics
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from crossjepa.train.pretrain.config import TargetScaling

# Of whitening, the share that is done: at 1 the noise of the last directions counts as much as all else.
WHITENING = 0.5
ROWS_AT_ONCE = 4096


class Targets(nn.Module):
    """Teacher embeddings, shifted and scaled by the statistics of the cache.

    The raw cosines of an image model's embeddings lie in a narrow band around their mean, so without the
    shift most of the loss is about a constant. Whitening also takes part of their weight from the few
    directions in which embeddings vary most.

    Args:
        embeddings_RD: (R, D) embeddings of the cache, for the statistics.
        scaling: see `LossSection.target_scaling`.
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
        whitening_DD = whitening(embeddings.sub_(mean_D).div_(std_D)) if scaling == "whiten" else None
        self.register_buffer("whitening_DD", whitening_DD)

    def forward(self, embeddings_BVD: Tensor) -> Tensor:
        """Returns the (B, V, D) float32 targets."""
        target_BVD: Tensor = (embeddings_BVD.float() - self.mean_D) / self.std_D
        return target_BVD if self.whitening_DD is None else F.linear(target_BVD, self.whitening_DD)


def whitening(scaled_RD: Tensor, share: float = WHITENING) -> Tensor:
    """Returns the symmetric (D, D) matrix that whitens by a share and leaves the mean variance at 1."""
    covariance_DD = torch.zeros(scaled_RD.shape[1], scaled_RD.shape[1], dtype=torch.float64)
    for start in range(0, len(scaled_RD), ROWS_AT_ONCE):
        part_RD = scaled_RD[start : start + ROWS_AT_ONCE].double()
        covariance_DD += part_RD.T @ part_RD
    variance_D, directions_DD = torch.linalg.eigh(covariance_DD / len(scaled_RD))
    variance_D = variance_D.clamp_min(1e-4 * float(variance_D.max()))
    factor_D = variance_D ** (-share / 2)
    factor_D = factor_D / (variance_D * factor_D**2).mean().sqrt()
    whitening_DD: Tensor = (directions_DD * factor_D) @ directions_DD.T
    return whitening_DD.float()
