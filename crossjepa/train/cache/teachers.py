"""Several teachers that embed the same pictures; their embeddings lie side by side.

V views, H x W pixels, D width of all teachers together
"""

from collections.abc import Sequence
from itertools import combinations
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
        check_distinct([(teacher.name, teacher.weights_sha256) for teacher in members])
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

    def embed_with_maps(self, images_VHW3: NDArray[np.uint8]) -> tuple[Tensor, list[Tensor]]:
        """Embeds images and keeps the maps of the first teacher, see `Teacher.embed_with_maps`."""
        embeddings_VD, maps = self.members[0].embed_with_maps(images_VHW3)
        others = [teacher.embed(images_VHW3) for teacher in self.members[1:]]
        return torch.cat([embeddings_VD, *others], dim=1), maps


def first_teacher(teacher: Teacher | Teachers) -> Teacher:
    """Returns the only teacher, or the first of several."""
    return teacher.members[0] if isinstance(teacher, Teachers) else teacher


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


def check_distinct(teachers: Sequence[tuple[str, str]]) -> None:
    """Refuses teachers of which two are the same.

    Args:
        teachers: name and checksum of the weights of each; "" if unknown.

    Raises:
        ValueError: two of them have the same name or the same weights.
    """
    for (name, weights), (other, other_weights) in combinations(teachers, 2):
        if name == other:
            raise ValueError(f"the teacher {name} is given twice; the names of teachers must differ")
        if weights and weights == other_weights:  # caches of format 1 do not know them
            raise ValueError(f"the teachers {name} and {other} have the same weights")


def channels_of(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the first channel, and the one after the last, of embeddings that lie side by side."""
    ends = np.cumsum(widths).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))
