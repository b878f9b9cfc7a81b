"""What is predicted: the teacher's embeddings, scaled by the statistics of the cache.

B clouds, V views, D teacher width, R embeddings for the statistics
"""

from collections.abc import Sequence

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

    Of several teachers, each is scaled on its own.

    Args:
        embeddings_RD: (R, D) embeddings of the cache, for the statistics.
        scaling: see `LossSection.target_scaling`.
        widths: channels of each teacher, if there are several.
    """

    mean_D: Tensor
    std_D: Tensor
    whitening_DD: Tensor | None

    def __init__(
        self, embeddings_RD: NDArray[np.float32], scaling: TargetScaling, widths: Sequence[int] = ()
    ) -> None:
        super().__init__()
        widths = widths or [embeddings_RD.shape[1]]
        ends = np.cumsum(widths).tolist()
        # The channels of each teacher.
        self.parts = [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]
        embeddings = torch.tensor(embeddings_RD)
        mean_D, std_D = embeddings.mean(dim=0), embeddings.std(dim=0).clamp_min(1e-4)
        if scaling == "center":
            for part in self.parts:
                std_D[part] = float((embeddings[:, part] - mean_D[part]).std())
        if scaling == "none":
            mean_D, std_D = torch.zeros_like(mean_D), torch.ones_like(std_D)
        self.register_buffer("mean_D", mean_D)
        self.register_buffer("std_D", std_D)
        whitening_DD = torch.zeros(len(mean_D), len(mean_D)) if scaling == "whiten" else None
        if whitening_DD is not None:
            scaled_RD = embeddings.sub_(mean_D).div_(std_D)
            for part in self.parts:
                whitening_DD[part, part] = whitening(scaled_RD[:, part])
        self.register_buffer("whitening_DD", whitening_DD)

    def forward(self, embeddings_BVD: Tensor) -> Tensor:
        """Returns the (B, V, D) float32 targets."""
        target_BVD: Tensor = (embeddings_BVD.float() - self.mean_D) / self.std_D
        if self.whitening_DD is None:
            return target_BVD
        whitened = [F.linear(target_BVD[..., part], self.whitening_DD[part, part]) for part in self.parts]
        return torch.cat(whitened, dim=-1)


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
