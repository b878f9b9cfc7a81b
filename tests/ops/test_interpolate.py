"""Interpolation at the tokens and between them."""

from __future__ import annotations

import torch

from crossjepa.ops import interpolate_tokens


def test_interpolation_returns_tokens_at_centers_and_mixes_between() -> None:
    centers_BG3 = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 9, 0], [0, 0, 9]]])
    tokens_BGC = torch.tensor([[[1.0], [3.0], [100.0], [100.0]]])
    features = interpolate_tokens(centers_BG3, centers_BG3, tokens_BGC)
    torch.testing.assert_close(features, tokens_BGC, rtol=1e-3, atol=1e-3)
    middle = interpolate_tokens(torch.tensor([[[0.5, 0, 0]]]), centers_BG3, tokens_BGC, neighbors=2)
    torch.testing.assert_close(middle, torch.tensor([[[2.0]]]))
