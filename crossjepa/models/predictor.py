"""The predictor: from point tokens and a view's conditioning to the teacher's embedding of that view.

B clouds, V views, G tokens, C encoder width, P predictor width, D teacher width
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crossjepa.config import PredictorConfig
from crossjepa.models.conditioning import ViewConditioning
from crossjepa.models.transformer import Block


class ViewPredictor(nn.Module):
    """Transformer over [query + conditioning, projected point tokens], read out at the query.

    With `joint_attention` every view is a sequence of its own and the point tokens see the query. Without it
    the point tokens see only each other, so that all views of a cloud share one pass over them: same
    parameters, and V views for little more than the price of one.
    """

    def __init__(self, config: PredictorConfig, encoder_width: int) -> None:
        super().__init__()
        self.config = config
        self.project = nn.Linear(encoder_width, config.width)
        self.query = nn.Parameter(torch.zeros(config.width))
        self.conditioning = ViewConditioning(config)
        self.blocks = nn.ModuleList(Block(config.width, config.num_heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.target_width)
        nn.init.normal_(self.query, std=0.02)

    def forward(self, tokens_BGC: Tensor, pose_BV3: Tensor, histogram_BVH: Tensor) -> Tensor:
        """Predicts embeddings of views.

        Args:
            tokens_BGC: (B, G, C) tokens of the encoder.
            pose_BV3: (B, V, 3) azimuth and elevation in radians, distance in radii of the object.
            histogram_BVH: (B, V, 48) colour histogram of each view, like the pose in float32.

        Returns:
            (B, V, D) predicted embeddings.
        """
        query_BVP = (self.query + self.conditioning(pose_BV3, histogram_BVH)).to(self.query.dtype)
        tokens_BGP = self.project(tokens_BGC)
        views = query_BVP.shape[1]
        if self.config.joint_attention:
            sequence = torch.cat(
                [query_BVP.flatten(0, 1).unsqueeze(1), tokens_BGP.repeat_interleave(views, dim=0)], dim=1
            )
            return self._readout(sequence, None, 1).view(-1, views, self.config.target_width)
        sequence = torch.cat([query_BVP, tokens_BGP], dim=1)
        return self._readout(sequence, shared_token_mask(views, tokens_BGP.shape[1], sequence.device), views)

    def _readout(self, sequence: Tensor, mask: Tensor | None, queries: int) -> Tensor:
        for block in self.blocks:
            sequence = block(sequence, mask)
        return self.head(self.norm(sequence[:, :queries]))  # type: ignore[no-any-return]


def shared_token_mask(views: int, tokens: int, device: torch.device) -> Tensor:
    """Attention mask in which tokens see tokens, and a query sees tokens and itself.

    Returns:
        (views + tokens, views + tokens) bool, True where a row may look.
    """
    mask = torch.ones(views + tokens, views + tokens, dtype=torch.bool, device=device)
    mask[:, :views] = torch.eye(views + tokens, views, dtype=torch.bool, device=device)
    return mask
