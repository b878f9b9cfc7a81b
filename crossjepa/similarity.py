"""Cosines of standardized features, and features as 8-bit integers.

n and m features, E embedding width

Features of different objects point in much the same direction: their raw cosines are all far above 0.
Standardized by mean and deviation over the objects of pretraining, unrelated objects have cosines around 0.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.config import Pooling
from crossjepa.config_similarity import SimilarityConfig
from crossjepa.models.encoder_with_head import EncoderWithHead

Features: TypeAlias = "Tensor | NDArray[np.floating]"
_Features = TypeVar("_Features", Tensor, NDArray[np.floating])
_LARGEST = 127


class ComparableEncoder(EncoderWithHead):
    """An encoder that compares its features.

    Attributes:
        similarity_config: how features are standardized before they are compared; None for weights that were
            exported without it, whose features are compared as they are.
    """

    similarity_config: SimilarityConfig | None = None

    def similarity(self, a: _Features, b: _Features, *, pool: Pooling | None = None) -> _Features:
        """Compares all features with all others, by the cosine of standardized features.

        Mean and deviation are those of the objects of pretraining, and come with the weights. With weights
        that have none (`similarity_config` is None) this is the plain cosine, which is far above 0 whatever
        the objects; `crossjepa center` adds them.

        Args:
            a: (n, E) features of `encode`, not scaled to unit length; (E,) counts as (1, E).
            b: (m, E) others, of the same kind.
            pool: how both were pooled; the configured pooling by default.

        Returns:
            (n, m) float32 from -1 to 1: around 0 for unrelated objects, 1 for the same one.

        Raises:
            ValueError: features have another width, or were scaled to unit length, after which they cannot
                be standardized.

        Example:
            >>> encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
            >>> features = encoder.encode(["chair.obj", "table.obj", "horse.obj"])
            >>> encoder.similarity(features, features).shape
            (3, 3)
        """
        a_nE, b_mE = self.standardize(a, pool=pool), self.standardize(b, pool=pool)
        return a_nE @ b_mE.T

    def similarity_pairwise(self, a: _Features, b: _Features, *, pool: Pooling | None = None) -> _Features:
        """Compares every feature with the one in the same row: the (n,) diagonal of `similarity`.

        The arguments are those of `similarity`, with as many rows in `b` as in `a`.
        """
        a_nE, b_nE = self.standardize(a, pool=pool), self.standardize(b, pool=pool)
        if len(a_nE) != len(b_nE):
            raise ValueError(f"pairs need as many features on both sides, not {len(a_nE)} and {len(b_nE)}")
        cosine_n: _Features = (a_nE * b_nE).sum(-1)
        return cosine_n

    def standardize(self, features: _Features, *, pool: Pooling | None = None) -> _Features:
        """Returns what `similarity` multiplies: standardized features, scaled to unit length.

        For other libraries that compare by cosine, such as vector databases.

        Args:
            features: (n, E) or (E,) features of `encode`, not scaled to unit length.
            pool: how they were pooled; the configured pooling by default.

        Returns:
            (n, E) float32 of unit length; rows of NaN stay so.

        Raises:
            ValueError: as of `similarity`.
        """
        pool = pool or self.config.pool
        width = self.num_features * (2 if pool == "max+mean" else 1)
        given = torch.as_tensor(features).float()
        rows_nE = given[None] if given.ndim == 1 else given
        if rows_nE.ndim != 2 or rows_nE.shape[1] != width:
            raise ValueError(
                f"features of shape {tuple(given.shape)}: expected (n, {width}), as `encode` returns them "
                f"with pool={pool!r}"
            )
        if self.similarity_config is not None:
            length_n = rows_nE.norm(dim=1)
            if len(rows_nE) and bool(((length_n - 1).abs() < 1e-3).all()):
                raise ValueError(
                    "features of unit length cannot be standardized: encode without normalize=True"
                )
            mean_E, std_E = self._statistics(pool)
            rows_nE = (rows_nE - mean_E.to(rows_nE)) / std_E.to(rows_nE)
        unit_nE = torch.nn.functional.normalize(rows_nE, dim=1)
        return unit_nE if isinstance(features, Tensor) else np.asarray(unit_nE.numpy())

    def _statistics(self, pool: Pooling) -> list[Tensor]:
        """Returns mean and standard deviation (E,) of features of a pooling."""
        assert self.similarity_config is not None
        width = self.num_features
        part = {"max+mean": slice(None), "max": slice(width), "mean": slice(width, None)}[pool]
        return [
            torch.tensor(both[part]) for both in (self.similarity_config.mean, self.similarity_config.std)
        ]


class Quantized(NamedTuple):
    """Features as 8-bit integers: row i is about `codes[i] * scales[i]`.

    Attributes:
        codes: (n, E) int8.
        scales: (n,) float32. Cosines do not need them.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]

    def dequantize(self) -> NDArray[np.float32]:
        """Returns the (n, E) float32 features, up to half a step of each row's scale."""
        return self.codes.astype(np.float32) * self.scales[:, None]


def quantize_embeddings(features_nE: NDArray[np.floating]) -> Quantized:
    """Rounds features to 8-bit integers, the largest magnitude of each row to 127.

    Every row has its own scale, so that a feature does not depend on those beside it.

    Args:
        features_nE: (n, E) features of `encode`.

    Returns:
        The integers and what they are multiplied with; a row of NaN becomes zeros with a scale of NaN.
    """
    values_nE = np.asarray(features_nE, np.float32)
    most_n = np.abs(values_nE).max(axis=1, initial=0)
    scales_n = (np.where(most_n > 0, most_n, 1) / _LARGEST).astype(np.float32)
    scales_n[np.isnan(most_n)] = np.nan
    codes_nE = np.nan_to_num(np.round(values_nE / scales_n[:, None])).astype(np.int8)
    return Quantized(codes_nE, scales_n)
