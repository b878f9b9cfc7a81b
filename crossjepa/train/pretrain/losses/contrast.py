"""Which object a cloud is, among those of the batch or of the whole cache.

B clouds, A clouds of all processes, D teacher width, M objects of the cache
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossjepa.train.common.distributed import gather_rows
from crossjepa.train.pretrain.teacher_parts import TeacherParts


class ContrastLoss(nn.Module):
    """Tells a cloud's object from others, by a linear readout in the space of the views' mean embeddings.

    Against the batch it is InfoNCE in both directions (van den Oord et al. 2018, arXiv 1807.03748; symmetric
    as in CLIP, Radford et al. 2021, arXiv 2103.00020). Against the cache, a cloud is compared with every
    object in it and should find each as near as the teacher does: the embeddings of all of them are at hand.
    It is not the paper's.

    Args:
        width: channels of the pooled tokens.
        target_width: channels of the teacher's embedding (D).
        parts: the teachers, if there are several; then nearness is the mean of their cosines.
    """

    MAX_SCALE = 50.0
    # Scale of the teacher's cosines: twins share the probability of an object, mere relatives hardly do.
    TEACHER_SCALE = 20.0

    def __init__(self, width: int, target_width: int, parts: TeacherParts | None = None) -> None:
        super().__init__()
        self.parts = parts or TeacherParts()
        self.readout = nn.Linear(width, target_width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        # No buffer: DistributedDataParallel would broadcast it in every step.
        self.objects_MD: Tensor | None = None

    def compare_with(self, objects_MD: Tensor) -> None:
        """Compares with these M embeddings from now on, rather than with the batch."""
        self.objects_MD = self.parts.normalize(objects_MD)

    def forward(self, readout_BD: Tensor, mean_BD: Tensor) -> Tensor:
        """Returns the loss of this process's clouds against the clouds of all processes, or the cache."""
        readout_BD, mean_BD = self.parts.normalize(readout_BD.float()), self.parts.normalize(mean_BD)
        scale = self.log_scale.exp().clamp(max=self.MAX_SCALE)
        if self.objects_MD is not None:
            nearness_BM = (self.TEACHER_SCALE * mean_BD @ self.objects_MD.T).softmax(dim=-1)
            return F.cross_entropy(scale * readout_BD @ self.objects_MD.T, nearness_BM)
        all_readouts_AD, first = gather_rows(readout_BD)
        all_means_AD, _ = gather_rows(mean_BD)
        own_B = first + torch.arange(len(readout_BD), device=readout_BD.device)
        forward = F.cross_entropy(scale * readout_BD @ all_means_AD.T, own_B)
        backward = F.cross_entropy(scale * mean_BD @ all_readouts_AD.T, own_B)
        return (forward + backward) / 2
