"""What every encoder promises, checked on every named size."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from crossjepa.config import NAMED_SIZES, EncoderConfig
from crossjepa.models.point_encoder import PointEncoder, pool_tokens
from crossjepa.models.tokenizer import PatchEmbedding

SIZES = sorted(NAMED_SIZES)


def make(size: str) -> PointEncoder:
    torch.manual_seed(0)
    model = PointEncoder(NAMED_SIZES[size])
    with torch.no_grad():
        model.train()(clouds(4, model.config.num_points))
    return model.eval()


def clouds(batch: int, points: int, seed: int = 0) -> Tensor:
    points_BN3 = torch.randn(batch, points, 3, generator=torch.Generator().manual_seed(seed))
    scale_B11 = points_BN3.norm(dim=-1).amax(dim=1)[:, None, None]
    return torch.div(points_BN3, scale_B11)


def test_base_has_the_documented_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in PointEncoder().parameters()) == 8_476_032


@pytest.mark.parametrize("size", SIZES)
def test_shapes(size: str) -> None:
    model, config = make(size), NAMED_SIZES[size]
    output = model(clouds(3, config.num_points))
    assert output.tokens.shape == (3, config.num_groups, config.width)
    assert output.centers.shape == (3, config.num_groups, 3)
    assert output.pooled.shape == (3, 2 * config.width)
    assert output.token_mask is None
    for pool, width in (("max", 1), ("mean", 1), ("max+mean", 2)):
        assert model(clouds(3, 40), pool=pool).pooled.shape == (3, width * config.width)
    assert torch.equal(model.forward_features(clouds(3, config.num_points)), output.tokens)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("points", [1, 2, 5, 31, 64, 200, 1024, 3000])
def test_any_number_of_points_alone_or_in_a_batch(size: str, points: int) -> None:
    model = make(size)
    small, large = clouds(1, points, seed=points), clouds(1, 1500, seed=1)
    padded = torch.full((1, 1500, 3), 7.0)
    padded[:, :points] = small[:, :1500]
    mask = torch.arange(1500) < torch.tensor([[min(points, 1500)], [1500]])
    with torch.inference_mode():
        alone = model(small[:, :1500]).pooled
        together = model(torch.cat([padded, large]), mask).pooled
        large_alone = model(large).pooled
    assert alone.isfinite().all()
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(together[1:], large_alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_batch_equals_single_and_order_does_not_matter(size: str) -> None:
    model, points_BN3 = make(size), clouds(5, 500)
    grid_BN3 = (points_BN3 * 3).round() / 3  # many exact ties
    with torch.inference_mode():
        for batch in (points_BN3, grid_BN3):
            together = model(batch).pooled
            single = torch.cat([model(one.unsqueeze(0)).pooled for one in batch])
            torch.testing.assert_close(together, single, rtol=0, atol=1e-5)
            shuffled = batch[:, torch.randperm(500, generator=torch.Generator().manual_seed(3))]
            assert torch.equal(model(shuffled).pooled, together)


@pytest.mark.parametrize("size", SIZES)
def test_gradients_reach_every_parameter(size: str) -> None:
    model = make(size).train()
    model(clouds(2, 300)).pooled.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # The scale of tokens that a softmax or a norm removes again may have no gradient; weights must.
        assert parameter.grad.abs().sum() > 0 or name.endswith("bias"), name


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.1), (torch.float16, 0.02)])
def test_low_precision_is_close(size: str, dtype: torch.dtype, tolerance: float) -> None:
    model, points_BN3 = make(size), clouds(2, 300)
    with torch.inference_mode():
        expected = model(points_BN3).pooled
        low = model.to(dtype)(points_BN3).pooled
    assert low.dtype == dtype
    assert (low.float() - expected).norm() / expected.norm() < tolerance


def test_grad_checkpointing_changes_nothing() -> None:
    gradients = []
    for enable in (False, True):
        model = make("crossjepa-test").train()
        model.set_grad_checkpointing(enable)
        model(clouds(2, 100)).pooled.sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed)


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


def test_folded_batch_norms_compute_the_same_function() -> None:
    torch.manual_seed(0)
    layer, groups_BGK3 = PatchEmbedding(24), torch.randn(3, 5, 7, 3)
    with torch.no_grad():
        layer(groups_BGK3)
        layer.eval()
        expected = layer.forward_unfolded(groups_BGK3)
        torch.testing.assert_close(layer(groups_BGK3), expected, rtol=1e-4, atol=1e-5)


def published_embedding(layer: PatchEmbedding, groups_BGK3: Tensor) -> Tensor:
    """Point-BERT's mini-PointNet: the 512-wide layer reads [maximum of the group, point] of every point."""
    batch, groups, neighbors, _ = groups_BGK3.shape
    hidden_M = layer.norm_in(layer.point_in(groups_BGK3.flatten(0, 2))).relu()
    hidden_BGKH = layer.point_out(hidden_M).view(batch, groups, neighbors, -1)
    both_BGKH = torch.cat([hidden_BGKH.amax(dim=2, keepdim=True).expand_as(hidden_BGKH), hidden_BGKH], dim=-1)
    weight = torch.cat([layer.pooled.weight, layer.local.weight], dim=1)
    wide_M = torch.nn.functional.linear(both_BGKH.flatten(0, 2), weight, layer.local.bias)
    out_M = layer.out(layer.norm_out(wide_M).relu())
    return torch.amax(out_M.view(batch, groups, neighbors, -1), dim=2)


def test_the_fast_embedding_has_the_values_and_gradients_of_the_published_one() -> None:
    torch.manual_seed(0)
    layer, groups_BGK3 = PatchEmbedding(24).double().train(), torch.randn(3, 5, 7, 3, dtype=torch.float64)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    fast, published = layer(groups_BGK3), published_embedding(layer, groups_BGK3)
    torch.testing.assert_close(fast, published)
    parameters = list(layer.parameters())
    gradients, expected = (torch.autograd.grad(out.sin().sum(), parameters) for out in (fast, published))
    torch.testing.assert_close(gradients, expected)


@pytest.mark.parametrize(
    "points",
    [torch.zeros(3), torch.zeros(5, 3), torch.zeros(2, 5, 4), torch.zeros(0, 5, 3), torch.zeros(2, 0, 3)],
)
def test_wrong_shapes_are_named(points: Tensor) -> None:
    with pytest.raises(ValueError, match="shape"):
        make("crossjepa-test")(points)


@pytest.mark.slow
def test_compiles_without_graph_breaks() -> None:
    model = make("crossjepa-test")
    points_BN3 = clouds(2, 100)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.inference_mode():
        torch.testing.assert_close(compiled(points_BN3).pooled, model(points_BN3).pooled)


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"num_heads": 5}, {"num_points": 8}, {"pool": "median"}, {"depth": 1.5}]
)
def test_impossible_shapes_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        replace(EncoderConfig(), **change)  # type: ignore[arg-type]
