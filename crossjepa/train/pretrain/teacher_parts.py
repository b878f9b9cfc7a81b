"""How much each of several teachers counts in a loss, whatever the widths of their embeddings.

D width of all teachers together
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


class TeacherParts:
    """The parts of embeddings that lie side by side, and their weights.

    With one teacher, everything is as if there were no parts, to the bit.

    Args:
        widths: channels of each teacher; () for one teacher of any width.
        weights: how much each counts, relative to the others; () for equal weights.

    Raises:
        ValueError: there are weights, but not one for each teacher.
    """

    def __init__(self, widths: Sequence[int] = (), weights: Sequence[float] = ()) -> None:
        count = max(len(widths), 1)
        if len(weights) not in (0, count):
            raise ValueError(f"teacher_weights: {len(weights)} weights for {count} teachers of the cache")
        weights = weights or [1.0] * count
        self.widths = list(widths)
        self.shares = [weight / sum(weights) for weight in weights]

    def smooth_l1(self, predicted: Tensor, target: Tensor, beta: float) -> Tensor:
        """Returns the weighted mean of the teachers' smooth L1 losses.

        Args:
            predicted: (..., D) predicted embeddings.
            target: (..., D) embeddings of all teachers.
            beta: error from which the loss grows linearly.
        """
        if len(self.widths) < 2:
            return F.smooth_l1_loss(predicted, target, beta=beta)
        parts = (torch.split(values, self.widths, dim=-1) for values in (predicted, target))
        losses = [F.smooth_l1_loss(own, wanted, beta=beta) for own, wanted in zip(*parts, strict=True)]
        return torch.stack([share * loss for share, loss in zip(self.shares, losses, strict=True)]).sum()

    def normalize(self, embeddings: Tensor) -> Tensor:
        """Scales (..., D) embeddings so that inner products are weighted means of the teachers' cosines."""
        if len(self.widths) < 2:
            return F.normalize(embeddings, dim=-1)
        parts = zip(self.shares, torch.split(embeddings, self.widths, dim=-1), strict=True)
        return torch.cat([share**0.5 * F.normalize(part, dim=-1) for share, part in parts], dim=-1)
