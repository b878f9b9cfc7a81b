"""The predictor: from point tokens and a view's conditioning to the teacher's embedding of that view.

B clouds, V views, G tokens, C encoder width, P predictor width, D teacher width, S = B*V sequences
"""

import torch
from torch import Tensor, nn

from crossjepa.config import PredictorConfig
from crossjepa.models.gradient_checkpointing import run
from crossjepa.models.transformer import Block, position_mlp

POSE_SCALARS = 3


class ViewPredictor(nn.Module):
    """Transformer over [query + conditioning, projected point tokens], read out at the query.

    With `joint_attention` every view is a sequence of its own and the point tokens see the query. Without it
    the point tokens see only each other, so that all views of a cloud share one pass over them: same
    parameters, and V views for little more than the price of one.

    With `camera_positions` an MLP of each token's center, as the camera sees it, is added to the token.
    Without it the predictor must find out by itself how camera and object are oriented to each other, which
    it was not seen to learn on randomly rotated clouds.
    """

    def __init__(self, config: PredictorConfig, encoder_width: int) -> None:
        super().__init__()
        self.config = config
        self.project = nn.Linear(encoder_width, config.width)
        self.position_mlp = position_mlp(config.width) if config.camera_positions else None
        self.query = nn.Parameter(torch.zeros(config.width))
        self.conditioning = ViewConditioning(config)
        self.blocks = nn.ModuleList(Block(config.width, config.num_heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.target_width)
        self.grad_checkpointing = False
        nn.init.normal_(self.query, std=0.02)

    def forward(
        self, tokens_BGC: Tensor, centers_BG3: Tensor, pose_BV3: Tensor, histogram_BVH: Tensor
    ) -> Tensor:
        """Predicts embeddings of views.

        Args:
            tokens_BGC: (B, G, C) tokens of the encoder.
            centers_BG3: (B, G, 3) float32 centers of the tokens.
            pose_BV3: (B, V, 3) azimuth and elevation in radians, distance in radii of the object.
            histogram_BVH: (B, V, 48) color histogram of each view, like the pose in float32.

        Returns:
            (B, V, D) predicted embeddings.
        """
        query_BVP = (self.query + self.conditioning(pose_BV3, histogram_BVH)).to(self.query.dtype)
        tokens_BGP = self.project(tokens_BGC)
        views = query_BVP.shape[1]
        if self.config.joint_attention:
            tokens_SGP = tokens_BGP.repeat_interleave(views, dim=0)
            if self.position_mlp is not None:
                seen_BVG3 = centers_BG3.unsqueeze(1) @ camera_rotation(pose_BV3).mT
                tokens_SGP = tokens_SGP + self.position_mlp(seen_BVG3.flatten(0, 1).to(tokens_SGP.dtype))
            sequence = torch.cat([query_BVP.flatten(0, 1).unsqueeze(1), tokens_SGP], dim=1)
            return self._readout(sequence, None, 1).view(-1, views, self.config.target_width)
        sequence = torch.cat([query_BVP, tokens_BGP], dim=1)
        return self._readout(sequence, shared_token_mask(views, tokens_BGP.shape[1], sequence.device), views)

    def _readout(self, sequence: Tensor, mask: Tensor | None, queries: int) -> Tensor:
        for block in self.blocks:
            sequence = run(block, sequence, mask, recompute=self.grad_checkpointing)
        return self.head(self.norm(sequence[:, :queries]))  # type: ignore[no-any-return]

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recomputes activations of blocks in the backward pass to save memory."""
        self.grad_checkpointing = enable


def shared_token_mask(views: int, tokens: int, device: torch.device) -> Tensor:
    """Attention mask in which tokens see tokens, and a query sees tokens and itself.

    Returns:
        (views + tokens, views + tokens) bool, True if the token of the row may attend to that of the column.
    """
    mask = torch.ones(views + tokens, views + tokens, dtype=torch.bool, device=device)
    mask[:, :views] = torch.eye(views + tokens, views, dtype=torch.bool, device=device)
    return mask


class ViewConditioning(nn.Module):
    """Sum of an embedded pose and an embedded color histogram, each of which can be switched off.

    The sinusoidal pose and the 48-bin histogram follow what is known of the paper; the two-layer MLPs behind
    them are our reconstruction.
    """

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        width = config.width
        self.harmonics = width // (2 * POSE_SCALARS)
        uses_pose = config.conditioning in ("both", "pose")
        uses_histogram = config.conditioning in ("both", "histogram")
        self.pose_mlp = mlp(2 * POSE_SCALARS * self.harmonics, width) if uses_pose else None
        self.histogram_mlp = mlp(config.histogram_bins, width) if uses_histogram else None

    def forward(self, pose_BV3: Tensor, histogram_BVH: Tensor) -> Tensor:
        """Embeds views.

        Args:
            pose_BV3: (B, V, 3) azimuth and elevation in radians, distance in radii of the object.
            histogram_BVH: (B, V, 48) color histogram, 16 bins per channel.

        Returns:
            (B, V, P) conditioning, or zeros of shape (B, V, 1) if all of it is switched off.
        """
        total = torch.zeros_like(pose_BV3[..., :1])
        if self.pose_mlp is not None:
            total = total + _apply(self.pose_mlp, pose_features(pose_BV3, self.harmonics))
        if self.histogram_mlp is not None:
            total = total + _apply(self.histogram_mlp, histogram_BVH)
        return total


def pose_features(pose_BV3: Tensor, harmonics: int) -> Tensor:
    """Returns sines and cosines of integer multiples of the pose, so that azimuth stays periodic.

    Args:
        pose_BV3: (B, V, 3) azimuth and elevation in radians, distance.
        harmonics: multiples 1, 2, ... used of each scalar.

    Returns:
        (B, V, 3 * 2 * harmonics) features, a third for each scalar.
    """
    multiples = torch.arange(1, harmonics + 1, device=pose_BV3.device, dtype=pose_BV3.dtype)
    angle = pose_BV3.unsqueeze(-1) * multiples
    return torch.cat([angle.sin(), angle.cos()], dim=-1).flatten(-2)


def _apply(mlp: nn.Sequential, features: Tensor) -> Tensor:
    """Runs an MLP in the dtype of its weights; features of a pose are made before, in that of the pose."""
    return mlp(features.to(next(mlp.parameters()).dtype))  # type: ignore[no-any-return]


def camera_rotation(pose_BV3: Tensor) -> Tensor:
    """Rotations from the object's frame to those of upright cameras: right, up, back.

    Args:
        pose_BV3: (B, V, 3) azimuth and elevation in radians, distance.

    Returns:
        (B, V, 3, 3) rotations, whose rows are the camera's axes.
    """
    azimuth_BV, elevation_BV, _ = pose_BV3.unbind(dim=-1)
    sine_BV, cosine_BV = elevation_BV.sin(), elevation_BV.cos()
    right_BV3 = torch.stack([azimuth_BV.cos(), torch.zeros_like(azimuth_BV), -azimuth_BV.sin()], dim=-1)
    back_BV3 = torch.stack([cosine_BV * azimuth_BV.sin(), sine_BV, cosine_BV * azimuth_BV.cos()], dim=-1)
    return torch.stack([right_BV3, torch.linalg.cross(back_BV3, right_BV3), back_BV3], dim=-2)


def mlp(inputs: int, width: int) -> nn.Sequential:
    """Returns two linear layers with a GELU between them."""
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width))
