"""The predictor: from point tokens and a view's conditioning to the teacher's embedding of that view.

B clouds, V views, G tokens, C encoder width, P predictor width, D teacher width, S = B*V sequences
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crossjepa.config import PredictorConfig
from crossjepa.models.conditioning import ViewConditioning, camera_rotation
from crossjepa.models.gradient_checkpointing import run
from crossjepa.models.transformer import Block, position_mlp


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
