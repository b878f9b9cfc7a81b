"""What every encoder promises, checked on every named size."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from crossjepa.config import NAMED_SIZES, EncoderConfig
from tests.helpers.encoders import clouds, make

SIZES = sorted(NAMED_SIZES)


def test_arrays_are_not_taken_for_tensors() -> None:
    with pytest.raises(TypeError, match="points must be a tensor, not ndarray; `encode` takes arrays"):
        make(SIZES[0])(clouds(3, 40).numpy())


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
