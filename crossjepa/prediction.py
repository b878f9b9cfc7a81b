"""What a model says about clouds and points that are ready for it: classes, parts, features per point.

B clouds, N points, M sampled points, Q query points, C encoder width, K classes, P parts of a class
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.models.encoder_with_head import EncoderWithHead
from crossjepa.ops import interpolate_tokens

POINTS_PER_CHUNK = 65536
VOTE_STRETCH = 0.2


@dataclass(frozen=True)
class Prediction:
    """The class of a cloud.

    Attributes:
        label: name of the most probable class; "" for an input that cannot be used.
        probability: its probability; NaN for an input that cannot be used.
        probabilities: those of all classes by name, most probable first.
    """

    label: str
    probability: float
    probabilities: dict[str, float] = field(repr=False)

    @classmethod
    def from_row(cls, probabilities_K: NDArray[np.float32], classes: tuple[str, ...]) -> Prediction:
        """Ranks (K,) probabilities of the classes."""
        if np.isnan(probabilities_K).any():
            return cls("", float("nan"), {})
        order = np.argsort(-probabilities_K, kind="stable")
        ranked = {classes[number]: float(probabilities_K[number]) for number in order}
        label = next(iter(ranked))
        return cls(label, ranked[label], ranked)


@dataclass(frozen=True, eq=False)
class PartPrediction:
    """The parts of a cloud's points.

    Attributes:
        parts_N: (N,) int64 part of every point or vertex, in the order of the input; -1 for those that are
            not finite.
        probabilities_N: (N,) float32 probability of that part among those of the class; NaN for those.
        part_names: names by number.
    """

    parts_N: NDArray[np.int64]
    probabilities_N: NDArray[np.float32]
    part_names: tuple[str, ...]

    @classmethod
    def from_shares(cls, shares_NP: Tensor, parts: tuple[int, ...], names: tuple[str, ...]) -> PartPrediction:
        """Chooses the most probable part of a class at every point, given (N, P) probabilities or NaN."""
        probabilities_N, best_N = shares_NP.max(dim=-1)
        parts_N = np.array(parts, np.int64)[best_N.numpy()]
        return cls(np.where(probabilities_N.isnan().numpy(), -1, parts_N), probabilities_N.numpy(), names)

    @property
    def names_N(self) -> NDArray[np.str_]:
        """(N,) names of the parts, "" for -1."""
        return np.array((*self.part_names, ""), dtype=str)[self.parts_N]


def vote_stretches(votes: int) -> list[Tensor]:
    """Returns a (3,) factor per axis for every vote: first none, then always the same random ones.

    Raises:
        ValueError: there is no vote.
    """
    if votes < 1:
        raise ValueError(f"votes must be at least 1, not {votes}")
    drawn = np.random.default_rng(0).uniform(1 - VOTE_STRETCH, 1 + VOTE_STRETCH, (votes - 1, 3))
    return [torch.ones(3), *torch.from_numpy(drawn.astype(np.float32))]


def class_probabilities(
    model: EncoderWithHead, points_BN3: Tensor, mask_BN: Tensor | None, votes: int
) -> Tensor:
    """Returns (B, K) float32 probabilities of the classes, the mean over the votes."""
    total_BK = torch.zeros(len(points_BN3), len(model.classes), device=points_BN3.device)
    for stretch_3 in vote_stretches(votes):
        features = model.head_features(points_BN3 * stretch_3.to(points_BN3.device), mask_BN)
        total_BK += model.forward_head(features).float().softmax(dim=-1)
    return total_BK / votes


def part_probabilities(
    model: EncoderWithHead, points_M3: Tensor, queries_Q3: Tensor, label: int, votes: int
) -> Tensor:
    """Returns (Q, P) float32 probabilities of a class's parts at points in the frame of one cloud."""
    allowed = torch.tensor(model.class_parts[label])
    total_QP = torch.zeros(len(queries_Q3), len(allowed))
    label_1 = torch.tensor([label], device=model.device)
    for stretch_3 in vote_stretches(votes):
        features = model.head_features((points_M3 * stretch_3).unsqueeze(0).to(model.device))
        chunks = [
            model.forward_head(features, chunk_Q3.unsqueeze(0).to(model.device), label_1)[0].float().cpu()
            for chunk_Q3 in torch.split(queries_Q3 * stretch_3, POINTS_PER_CHUNK)
        ]
        total_QP += torch.cat(chunks)[:, allowed].softmax(dim=-1)
    return total_QP / votes


def point_features(model: EncoderWithHead, points_M3: Tensor, queries_Q3: Tensor) -> Tensor:
    """Returns (Q, C) float32 features, on the CPU, of points in the frame of one cloud."""
    output = model(points_M3.unsqueeze(0).to(model.device))
    tokens_1GC = output.tokens.float()
    chunks = [
        interpolate_tokens(
            chunk_Q3.unsqueeze(0).to(model.device), output.centers, tokens_1GC, output.token_mask
        )[0].cpu()
        for chunk_Q3 in torch.split(queries_Q3, POINTS_PER_CHUNK)
    ]
    return torch.cat(chunks)
