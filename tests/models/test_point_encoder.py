"""The point encoder: its size, its intermediate tokens, and its pooling."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crossjepa.models.point_encoder import PointEncoder, pool_tokens
from tests.helpers.encoders import clouds, make


def test_base_has_the_documented_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in PointEncoder().parameters()) == 8_476_032


def test_intermediates_have_timms_meaning() -> None:
    model, points_BN3 = make("crossjepa-base"), clouds(2, 300)
    with torch.inference_mode():
        final, every = model.forward_intermediates(points_BN3)
        assert len(every) == 8
        torch.testing.assert_close(final, model.forward_features(points_BN3))
        torch.testing.assert_close(model.norm(every[-1]), final)
        chosen = model.forward_intermediates(points_BN3, [3, -1], norm=True, intermediates_only=True)
        torch.testing.assert_close(chosen[0], model.norm(every[3]))
        torch.testing.assert_close(chosen[1], final)
        early = model.forward_intermediates(points_BN3, [0, 3], stop_early=True, intermediates_only=True)
        torch.testing.assert_close(early[1], every[3])
        layers = model.get_intermediate_layers(points_BN3, 2)
        torch.testing.assert_close(layers[0], every[6])
    for wrong in (9, 0, [8], [-9]):
        with pytest.raises(ValueError, match="blocks"):
            model.forward_intermediates(points_BN3, wrong)


def test_timms_layer_decay_sees_the_depth() -> None:
    from timm.optim._param_groups import param_groups_layer_decay

    groups = param_groups_layer_decay(make("crossjepa-base"), weight_decay=0.05, layer_decay=0.5)
    scales = {group["lr_scale"] for group in groups}
    assert len(scales) == 9  # stem, eight blocks; the final norm goes with the last block
    assert sum(len(group["params"]) for group in groups) == len(list(PointEncoder().parameters()))


def test_masked_pooling_ignores_masked_tokens() -> None:
    tokens_BGC = torch.tensor([[[1.0], [3.0], [99.0]]])
    mask_BG = torch.tensor([[True, True, False]])
    assert pool_tokens(tokens_BGC, mask_BG, "max+mean").tolist() == [[3.0, 2.0]]
    with pytest.raises(ValueError, match="pool"):
        pool_tokens(tokens_BGC, None, "median")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "points",
    [torch.zeros(3), torch.zeros(5, 3), torch.zeros(2, 5, 4), torch.zeros(0, 5, 3), torch.zeros(2, 0, 3)],
)
def test_wrong_shapes_are_named(points: Tensor) -> None:
    with pytest.raises(ValueError, match="shape"):
        make("crossjepa-test")(points)
