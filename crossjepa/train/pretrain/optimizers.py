"""Which parameters the optimizers of pretraining get."""

from typing import Any

import torch
from torch import Tensor, nn

from crossjepa.train.common.muon import StackedMuon
from crossjepa.train.common.optim import Optimizers
from crossjepa.train.pretrain.config import PretrainConfig


def make_optimizers(model: nn.Module, config: PretrainConfig) -> Optimizers:
    """AdamW with weight decay on matrices; with "muon" the blocks' matrices go to Muon.

    Biases, norms and other vectors do not decay, nor what a module's `no_weight_decay` (timm's hook) names.

    Muon (Jordan et al. 2024) steps along the orthogonalized momentum. `match_rms_adamw` scales its steps to
    the size of AdamW's, so that both share a learning rate (Liu et al. 2025, "Muon is scalable").
    """
    optim = config.optim
    inner: list[Tensor] = []
    others: list[Tensor] = []
    without_decay: list[Tensor] = []
    spared = {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if hasattr(module, "no_weight_decay")
        for name in module.no_weight_decay()
    }
    for name, value in model.named_parameters():
        if not value.requires_grad:
            continue
        if value.ndim < 2 or name in spared:
            without_decay.append(value)
        elif optim.optimizer == "muon" and _inner(name, value):
            inner.append(value)
        else:
            others.append(value)
    groups: list[dict[str, Any]] = [
        {"params": others, "weight_decay": optim.weight_decay},
        {"params": without_decay, "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=optim.learning_rate, fused=True)
    if not inner:
        return Optimizers(adamw)
    kind = StackedMuon if inner[0].device.type == "cuda" else torch.optim.Muon
    muon = kind(
        inner, lr=optim.learning_rate, weight_decay=optim.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return Optimizers(muon, adamw)


def _inner(name: str, value: Tensor) -> bool:
    """Whether a parameter maps features to features, rather than coordinates in or embeddings out."""
    return value.ndim == 2 and min(value.shape) > 3 and (".blocks." in name or ".patch_embedding." in name)
