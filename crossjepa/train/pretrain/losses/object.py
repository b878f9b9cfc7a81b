"""What all views of an object have in common, read from the pooled tokens.

B clouds, D teacher width
"""

from torch import Tensor, nn

from crossjepa.train.pretrain.teacher_parts import TeacherParts


class ObjectLoss(nn.Module):
    """Smooth L1 between a linear readout of the pooled tokens and the mean embedding of the object's views.

    It is not the paper's. It makes features more linear in what the object is.

    Args:
        beta: error from which the loss grows linearly.
        parts: the teachers, if there are several; they count equally unless they have weights.
    """

    def __init__(self, beta: float, parts: TeacherParts | None = None) -> None:
        super().__init__()
        self.beta, self.parts = beta, parts or TeacherParts()

    def forward(self, readout_BD: Tensor, mean_BD: Tensor) -> Tensor:
        """Returns the mean over clouds and channels, and over the means of several teachers."""
        return self.parts.smooth_l1(readout_BD.float(), mean_BD, self.beta)
