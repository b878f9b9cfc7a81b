"""The paper's loss: predicted against cached embeddings of views.

B clouds, V views, D teacher width
"""

from torch import Tensor, nn

from crossjepa.train.pretrain.teacher_parts import TeacherParts


class ViewLoss(nn.Module):
    """Smooth L1 between the predicted and the teacher's embedding of every view.

    CrossJEPA, arXiv 2511.18424; smooth L1 is Girshick 2015, "Fast R-CNN", arXiv 1504.08083.

    Args:
        beta: error from which the loss grows linearly.
        parts: the teachers, if there are several; they count equally unless they have weights.
    """

    def __init__(self, beta: float, parts: TeacherParts | None = None) -> None:
        super().__init__()
        self.beta, self.parts = beta, parts or TeacherParts()

    def forward(self, predicted_BVD: Tensor, target_BVD: Tensor) -> Tensor:
        """Returns the mean over clouds, views and channels, and over the means of several teachers."""
        return self.parts.smooth_l1(predicted_BVD.float(), target_BVD, self.beta)
