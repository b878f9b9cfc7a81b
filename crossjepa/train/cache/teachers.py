"""Several teachers that embed the same pictures; their embeddings lie side by side.

V views, H x W pixels, D width of all teachers together
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.train.cache.teacher import Embedding, Teacher


class Teachers:
    """Two or more teachers, used as if they were one.

    Args:
        members: the teachers, in the order of their embeddings.

    Raises:
        ValueError: two of them have the same name or the same weights.
    """

    def __init__(self, members: Sequence[Teacher]) -> None:
        for place, teacher in enumerate(members):
            for other in members[:place]:
                if teacher.name == other.name:
                    raise ValueError(f"the teacher {teacher.name} is given twice; their names must differ")
                if teacher.weights_sha256 == other.weights_sha256:
                    raise ValueError(f"the teachers {other.name} and {teacher.name} have the same weights")
        self.members = tuple(members)
        self.timm_version = members[0].timm_version
        self.width = sum(teacher.width for teacher in members)
        self.parts = dict(zip(self.names, channels_of([teacher.width for teacher in members]), strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the teachers."""
        return tuple(teacher.name for teacher in self.members)

    def facts(self) -> list[dict[str, Any]]:
        """Returns everything that determines the embeddings of each, as plain values."""
        return [teacher.facts() for teacher in self.members]

    def embed(self, images_VHW3: NDArray[np.uint8]) -> Tensor:
        """Embeds images.

        Args:
            images_VHW3: (V, H, W, 3) uint8 RGB.

        Returns:
            (V, D) float32 embeddings of all teachers, one after another, on the CPU.
        """
        return torch.cat([teacher.embed(images_VHW3) for teacher in self.members], dim=1)


def load_teachers(
    teachers: Sequence[tuple[str, Embedding]], image_size: int = 224, device: str = "cpu"
) -> Teacher | Teachers:
    """Loads one teacher or several.

    Args:
        teachers: name or file and embedding of each, as for `Teacher`.
        image_size: height and width of the images.
        device: where to run.

    Raises:
        FileNotFoundError, OSError: as `Teacher` does.
        ValueError: as `Teacher` does, or one is given twice.
    """
    members = [Teacher(name, image_size, device, embedding=embedding) for name, embedding in teachers]
    return members[0] if len(members) == 1 else Teachers(members)


def channels_of(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the first channel, and the one after the last, of embeddings that lie side by side."""
    ends = np.cumsum(widths).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))
