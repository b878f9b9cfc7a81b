"""What weights say about comparing their features."""

from __future__ import annotations

from dataclasses import dataclass

from crossjepa.config_fields import Checked, Positive, Size


@dataclass(frozen=True)
class SimilarityConfig(Checked):
    """How features are standardized before they are compared, see `crossjepa.similarity`.

    Attributes:
        mean: mean of the features of objects, pooled by "max+mean": first the maxima, then the means (2C).
        std: their standard deviation (2C).
        objects: number of the objects, of those of pretraining.
    """

    mean: tuple[float, ...]
    std: tuple[Positive, ...]
    objects: Size

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} numbers, std {len(self.std)}")
