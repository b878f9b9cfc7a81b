"""The point encoder as a plain network: groups, patch embedding, positions, transformer, norm.

B clouds, N points, G groups, K neighbors, C encoder width
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from crossjepa.config import EncoderConfig, Pooling
from crossjepa.models.gradient_checkpointing import run
from crossjepa.models.tokenizer import Groups, PatchEmbedding, group_points
from crossjepa.models.transformer import Block, position_mlp


class EncoderOutput(NamedTuple):
    """What the encoder knows of a batch of clouds.

    Attributes:
        tokens: (B, G, C) one feature per group.
        centers: (B, G, 3) float32 position of each group.
        pooled: (B, C) or (B, 2C) one feature per cloud.
        token_mask: (B, G) bool, True for real tokens; None if all are.
    """

    tokens: Tensor
    centers: Tensor
    pooled: Tensor
    token_mask: Tensor | None


class PointEncoder(nn.Module):
    """Tokenizer and transformer over normalized clouds.

    Args:
        config: shape of the network.
        device: where to put the parameters.
        dtype: their type.
    """

    def __init__(
        self,
        config: EncoderConfig | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.config = config or EncoderConfig()
        width = self.config.width
        self.patch_embedding = PatchEmbedding(width)
        self.position_mlp = position_mlp(width)
        self.blocks = nn.ModuleList(
            Block(width, self.config.num_heads, self.config.mlp_ratio) for _ in range(self.config.depth)
        )
        self.norm = nn.LayerNorm(width)
        self.grad_checkpointing = False
        self.apply(initialize)
        self.to(device=device, dtype=dtype)

    @property
    def num_features(self) -> int:
        """Channels of a token (C)."""
        return self.config.width

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.norm.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return self.norm.weight.dtype

    def forward(
        self, points_BN3: Tensor, mask_BN: Tensor | None = None, *, pool: Pooling | None = None
    ) -> EncoderOutput:
        """Encodes clouds that are already centered and scaled (see `PointCloudProcessor`).

        Args:
            points_BN3: (B, N, 3) coordinates, any N >= 1, float.
            mask_BN: (B, N) bool, True for real points, to batch clouds of different sizes.
            pool: "max", "mean" or "max+mean"; the configured one by default.

        Returns:
            Tokens, their centers, the pooled feature and the mask of real tokens.

        Raises:
            ValueError: the points or the mask have the wrong shape, or the pooling is unknown.
            TypeError: the points are no tensor.
        """
        groups = self.group(points_BN3, mask_BN)
        tokens_BGC = self.norm(self.transform(groups)[0])
        pooled = pool_tokens(tokens_BGC, groups.token_mask_BG, pool or self.config.pool)
        return EncoderOutput(tokens_BGC, groups.centers_BG3, pooled, groups.token_mask_BG)

    def forward_features(self, points_BN3: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """Returns the (B, G, C) tokens after the final norm; arguments as in `forward`."""
        return self.forward(points_BN3, mask_BN).tokens

    def forward_intermediates(
        self,
        points_BN3: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NLC",
        intermediates_only: bool = False,
        mask_BN: Tensor | None = None,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Returns the tokens after chosen blocks, with timm's argument names.

        Args:
            points_BN3: (B, N, 3) normalized coordinates.
            indices: block numbers, negative ones count from the end; an int n means the last n; None all.
            norm: apply the final norm to each of them.
            stop_early: skip the blocks after the last one asked for.
            output_fmt: only "NLC", (B, G, C), exists for tokens of points.
            intermediates_only: leave out the final tokens.
            mask_BN: (B, N) bool, True for real points.

        Returns:
            The list of (B, G, C) intermediates, alone or after the final tokens.

        Raises:
            ValueError: an index is out of range or the format is unknown.
        """
        if output_fmt != "NLC":
            raise ValueError(f"output_fmt must be 'NLC', not {output_fmt!r}")
        wanted = _block_numbers(indices, len(self.blocks))
        last = max(wanted, default=-1) if stop_early else len(self.blocks) - 1
        tokens_BGC, every = self.transform(self.group(points_BN3, mask_BN), last)
        chosen = [self.norm(every[number]) if norm else every[number] for number in wanted]
        return chosen if intermediates_only else (self.norm(tokens_BGC), chosen)

    def get_intermediate_layers(
        self,
        points_BN3: Tensor,
        n: int | Sequence[int] = 1,
        norm: bool = False,
        mask_BN: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Returns the tokens of the last n blocks, or of the numbered ones, as in DINO and timm."""
        wanted = _block_numbers(n, len(self.blocks))
        _, every = self.transform(self.group(points_BN3, mask_BN), max(wanted, default=-1))
        return tuple(self.norm(every[number]) if norm else every[number] for number in wanted)

    def group(self, points_BN3: Tensor, mask_BN: Tensor | None = None) -> Groups:
        """Checks shapes and cuts clouds into groups in float32, whatever the dtype of the weights."""
        check_points(points_BN3, mask_BN)
        with torch.autocast(points_BN3.device.type, enabled=False):
            return group_points(points_BN3, self.config, mask_BN)

    def embed(self, groups: Groups) -> tuple[Tensor, Tensor]:
        """Returns tokens and positions, both (B, G, C), that enter the transformer."""
        groups_BGK3 = groups.groups_BGK3.to(self.dtype)
        tokens_BGC = run(self.patch_embedding, groups_BGK3, recompute=self.grad_checkpointing)
        return tokens_BGC, self.position_mlp(groups.centers_BG3.to(self.dtype))

    def transform(self, groups: Groups, last: int | None = None) -> tuple[Tensor, list[Tensor]]:
        """Returns the (B, G, C) tokens after the last block, before the norm, and those after every block."""
        tokens_BGC, position_BGC = self.embed(groups)
        token_mask_BG = groups.token_mask_BG
        mask_B11G = None if token_mask_BG is None else token_mask_BG[:, None, None, :]
        every: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            if last is not None and number > last:
                break
            tokens_BGC = run(block, tokens_BGC + position_BGC, mask_B11G, recompute=self.grad_checkpointing)
            every.append(tokens_BGC)
        return tokens_BGC, every

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recomputes activations of patch embedding and blocks in the backward pass to save memory."""
        self.grad_checkpointing = enable

    def no_weight_decay(self) -> set[str]:
        """Names of parameters without weight decay besides biases and norms (timm's hook): none."""
        return set()

    def group_matcher(self, coarse: bool = False, *, prefix: str = "") -> dict[str, object]:
        """Patterns that order parameters by depth, for timm's layer-wise learning-rate decay.

        If the network is part of another module, `prefix` is what comes before the names there.
        """
        start = "^" + re.escape(prefix)
        block, norm = rf"{start}blocks\.(\d+)", rf"{start}norm"
        return {
            "stem": rf"{start}(?:patch_embedding|position_mlp)",
            "blocks": block if coarse else [(block, None), (norm, (99999,))],
        }


def check_points(points_BN3: Tensor, mask_BN: Tensor | None) -> None:
    """Refuses what is no (B, N, 3) tensor of points with a (B, N) mask or none.

    Raises:
        ValueError: the points or the mask have the wrong shape.
        TypeError: the points are no tensor.
    """
    kind = type(points_BN3)
    if not issubclass(kind, Tensor):
        raise TypeError(f"points must be a tensor, not {kind.__name__}; `encode` takes arrays and files, too")
    if points_BN3.ndim != 3 or points_BN3.shape[-1] != 3 or 0 in points_BN3.shape:
        raise ValueError(f"points must have shape (B, N, 3) with B, N >= 1, not {tuple(points_BN3.shape)}")
    if mask_BN is not None and mask_BN.shape != points_BN3.shape[:2]:
        raise ValueError(f"mask has shape {tuple(mask_BN.shape)}, points {tuple(points_BN3.shape)}")


def pool_tokens(tokens_BGC: Tensor, token_mask_BG: Tensor | None, pool: Pooling) -> Tensor:
    """Pools the real tokens of each cloud.

    Args:
        tokens_BGC: (B, G, C) tokens.
        token_mask_BG: (B, G) bool, True for real tokens; None if all are.
        pool: "max", "mean", or "max+mean", which concatenates them in this order.

    Returns:
        (B, C) or, for "max+mean", (B, 2C).

    Raises:
        ValueError: the pooling is unknown.
    """
    if pool not in ("max", "mean", "max+mean"):
        raise ValueError(f"pool must be 'max', 'mean' or 'max+mean', not {pool!r}")
    parts = []
    if "max" in pool:
        parts.append(_masked(tokens_BGC, token_mask_BG, -torch.inf).amax(dim=1))
    if "mean" in pool:
        count = tokens_BGC.shape[1] if token_mask_BG is None else token_mask_BG.sum(dim=1, keepdim=True)
        parts.append(_masked(tokens_BGC, token_mask_BG, 0.0).sum(dim=1) / count)
    return torch.cat(parts, dim=-1)


def _masked(tokens_BGC: Tensor, token_mask_BG: Tensor | None, fill: float) -> Tensor:
    return tokens_BGC if token_mask_BG is None else tokens_BGC.masked_fill(~token_mask_BG.unsqueeze(-1), fill)


def _block_numbers(indices: int | Sequence[int] | None, depth: int) -> list[int]:
    if indices is None:
        return list(range(depth))
    if isinstance(indices, int):
        if not 1 <= indices <= depth:
            raise ValueError(f"cannot take the last {indices} of {depth} blocks")
        return list(range(depth - indices, depth))
    if any(not -depth <= number < depth for number in indices):
        raise ValueError(f"block numbers {list(indices)} are out of range for {depth} blocks")
    return [number % depth for number in indices]


def initialize(module: nn.Module) -> None:
    """Gives a linear layer the random weights of vision transformers; leaves other layers alone."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
