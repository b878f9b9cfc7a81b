"""The transformer block, against torch's own."""

from __future__ import annotations

import torch
from torch import nn

from crossjepa.models.transformer import Attention, Block, attend


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 3, 7, 5, dtype=torch.float64).unbind()
    mask = torch.arange(7) < torch.tensor([4, 7])[:, None, None, None]
    for chosen in (None, mask):
        expected = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=chosen)
        torch.testing.assert_close(attend(query, key, value, chosen), expected)


def test_a_block_is_torchs_encoder_layer_with_norms_first() -> None:
    torch.manual_seed(0)
    block = Block(12, num_heads=3)
    layer = nn.TransformerEncoderLayer(12, 3, 48, 0.0, nn.GELU(), batch_first=True, norm_first=True)
    ours, theirs = block.state_dict(), layer.state_dict()
    for prefix, other in (
        ("attention.qkv.", "self_attn.in_proj_"),
        ("attention.out.", "self_attn.out_proj."),
        ("mlp.0.", "linear1."),
        ("mlp.2.", "linear2."),
        ("norm_attention.", "norm1."),
        ("norm_mlp.", "norm2."),
    ):
        for kind in ("weight", "bias"):
            theirs[other + kind] = ours[prefix + kind]
    layer.load_state_dict(theirs)
    tokens_BGC = torch.randn(2, 5, 12)
    torch.testing.assert_close(block(tokens_BGC), layer(tokens_BGC), rtol=1e-4, atol=1e-5)


def test_masked_keys_change_nothing() -> None:
    torch.manual_seed(0)
    attention, tokens_BGC = Attention(8, 2), torch.randn(2, 6, 8)
    mask = (torch.arange(6) < 4)[None, None, None]
    other_BGC = tokens_BGC.clone()
    other_BGC[:, 4:] = 99.0
    found, expected = attention(other_BGC, mask), attention(tokens_BGC[:, :4])
    torch.testing.assert_close(found[:, :4], expected)
