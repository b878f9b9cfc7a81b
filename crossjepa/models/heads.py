"""Heads of fine-tuned models: one class per cloud, or one part per point.

Both have the same two methods, so that their callers need not tell them apart: `read` returns what the head
needs to know of the network, and a call turns that into scores.

B clouds, N points, Q query points, G groups, C encoder width, E = 2C, D = 3C, H hidden width, K classes,
P parts of all classes
"""

from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossjepa.config import EncoderConfig, HeadConfig
from crossjepa.models.point_encoder import EncoderOutput, PointEncoder, initialize, pool_tokens
from crossjepa.ops import interpolate_tokens

LABEL_WIDTH = 64


class PooledFeatures(NamedTuple):
    """What a classification head reads.

    Attributes:
        pooled_BE: (B, 2C) maximum and mean of the tokens.
    """

    pooled_BE: Tensor


class LevelFeatures(NamedTuple):
    """What a part segmentation head reads.

    Attributes:
        levels_BGD: (B, G, 3C) tokens of three depths, each normalized.
        centers_BG3: (B, G, 3) float32 positions of the tokens.
        token_mask_BG: (B, G) bool, True for real tokens.
    """

    levels_BGD: Tensor
    centers_BG3: Tensor
    token_mask_BG: Tensor


HeadFeatures: TypeAlias = PooledFeatures | LevelFeatures


class ClassificationHead(nn.Module):
    """Maximum and mean of the tokens, two hidden layers with batch norm and dropout, and the classes.

    The head of Point-MAE and Point-JEPA, on point tokens alone. With `hidden` 0 it is linear.
    """

    def __init__(self, config: HeadConfig, encoder: EncoderConfig) -> None:
        super().__init__()
        width, hidden = 2 * encoder.width, config.hidden
        layers: list[nn.Module] = []
        for _ in range(2 if hidden else 0):
            layers += [
                nn.Linear(width, hidden),
                nn.BatchNorm1d(hidden),
                nn.ReLU(),
                nn.Dropout(config.dropout),
            ]
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, len(config.classes)))
        self.apply(initialize)

    @staticmethod
    def read(network: PointEncoder, points_BN3: Tensor, mask_BN: Tensor | None = None) -> PooledFeatures:
        """Returns what the head reads: the pooled tokens; arguments as in `PointEncoder.forward`."""
        return PooledFeatures(network(points_BN3, mask_BN, pool="max+mean").pooled)

    def forward(
        self,
        features: PooledFeatures | EncoderOutput,
        queries_BQ3: Tensor | None = None,
        label_B: Tensor | None = None,
    ) -> Tensor:
        """Scores classes.

        Args:
            features: what `read` returned, or the output of the encoder.
            queries_BQ3: not used.
            label_B: not used.

        Returns:
            (B, K) scores.
        """
        if isinstance(features, EncoderOutput):
            features = PooledFeatures(pool_tokens(features.tokens, features.token_mask, "max+mean"))
        return self.layers(features.pooled_BE)  # type: ignore[no-any-return]


class PartHead(nn.Module):
    """Tokens of three depths, propagated to every point, with the cloud's summary and class beside them.

    The head of Point-BERT and Point-MAE, narrower. Its first layer is linear in what is interpolated, and the
    weights of the interpolation sum to one; so it is applied to the tokens before they are spread over the
    points: the same function at a fraction of the work.
    """

    def __init__(self, config: HeadConfig, encoder: EncoderConfig) -> None:
        super().__init__()
        levels, hidden = 3 * encoder.width, config.hidden
        self.num_classes, self.depth = len(config.classes), encoder.depth
        self.label_in = nn.Sequential(nn.Linear(self.num_classes, LABEL_WIDTH), nn.GELU())
        self.token_in = nn.Linear(levels, hidden, bias=False)
        self.point_in = nn.Linear(3, hidden, bias=False)
        self.cloud_in = nn.Linear(2 * levels + LABEL_WIDTH, hidden)
        self.norm_in = nn.BatchNorm1d(hidden)
        self.hidden = nn.Linear(hidden, hidden)
        self.norm_hidden = nn.BatchNorm1d(hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(hidden, len(config.part_names))
        self.apply(initialize)

    @staticmethod
    def read(network: PointEncoder, points_BN3: Tensor, mask_BN: Tensor | None = None) -> LevelFeatures:
        """Returns what the head reads: tokens after a third, two thirds and all of the blocks."""
        groups = network.group(points_BN3, mask_BN)
        _, every = network.transform(groups)
        levels = [every[number] for number in three_depths(len(every))]
        token_mask_BG = groups.token_mask_BG
        if token_mask_BG is None:
            token_mask_BG = torch.ones(
                groups.centers_BG3.shape[:2], dtype=torch.bool, device=points_BN3.device
            )
        levels_BGD = torch.cat([network.norm(level_BGC) for level_BGC in levels], dim=-1)
        return LevelFeatures(levels_BGD, groups.centers_BG3, token_mask_BG)

    def forward(
        self, features: LevelFeatures | EncoderOutput, queries_BQ3: Tensor, label_B: Tensor
    ) -> Tensor:
        """Scores parts.

        Args:
            features: what `read` returned.
            queries_BQ3: (B, Q, 3) points to label, in the frame of the network's points.
            label_B: (B,) int64 class of each cloud.

        Returns:
            (B, Q, P) scores of all parts.

        Raises:
            TypeError: the features are the output of the encoder, which has only the last of the depths.
        """
        if not isinstance(features, LevelFeatures):
            raise TypeError("a part head needs tokens of three depths: pass what head_features() returned")
        levels_BGD, centers_BG3, token_mask_BG = features
        levels_BGD = levels_BGD.to(self.token_in.weight.dtype)
        one_hot_BK = F.one_hot(label_B, self.num_classes).to(levels_BGD.dtype)
        summary = pool_tokens(levels_BGD, token_mask_BG, "max+mean")
        cloud_BH = self.cloud_in(torch.cat([summary, self.label_in(one_hot_BK)], dim=-1))
        spread_BQH = interpolate_tokens(queries_BQ3, centers_BG3, self.token_in(levels_BGD), token_mask_BG)
        points_BQH = self.point_in(queries_BQ3.to(levels_BGD.dtype))
        hidden_BQH = _normalized(self.norm_in, spread_BQH + points_BQH + cloud_BH.unsqueeze(1))
        hidden_BQH = _normalized(self.norm_hidden, self.hidden(hidden_BQH))
        return self.out(self.dropout(hidden_BQH))  # type: ignore[no-any-return]


Head: TypeAlias = ClassificationHead | PartHead


def make_head(config: HeadConfig, encoder: EncoderConfig) -> Head:
    """Builds the head of a configuration."""
    return (ClassificationHead if config.task == "classification" else PartHead)(config, encoder)


def three_depths(depth: int) -> tuple[int, int, int]:
    """Returns the numbers of the blocks after a third, two thirds and all of the depth."""
    first, second = (max(round(depth * share / 3) - 1, 0) for share in (1, 2))
    return first, second, depth - 1


def _normalized(norm: nn.BatchNorm1d, values_BQH: Tensor) -> Tensor:
    return F.relu(norm(values_BQH.flatten(0, 1))).view(values_BQH.shape)
