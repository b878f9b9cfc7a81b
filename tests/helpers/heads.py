"""Heads with random weights, for what does not depend on training."""

from __future__ import annotations

import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.config import HeadConfig
from tests.helpers.finetune_data import NAMES

CLASSES = HeadConfig("classification", NAMES, hidden=16)
PARTS = HeadConfig("partseg", ("a", "b"), ("a/0", "a/1", "b/0"), ((0, 1), (2,)), hidden=16)


def with_head(encoder: CrossJEPAEncoder, head: HeadConfig) -> CrossJEPAEncoder:
    """A model whose head has random weights and used batch norms."""
    torch.manual_seed(1)
    encoder.reset_classifier(head)
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
            assert module.running_mean is not None
            torch.nn.init.normal_(module.running_mean, 0.0, 0.1)
    for module in encoder.require_head().modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, 0.0, 0.3)
    return encoder.eval()
