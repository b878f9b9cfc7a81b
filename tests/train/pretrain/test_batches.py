"""Batches: what is held out is drawn as in training, and all is drawn on the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crossjepa.train.cache import open_cache
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.config import PretrainConfig
from tests.helpers.runs import make_trainer


def test_held_out_clouds_have_as_many_points_as_those_trained_on(
    config: PretrainConfig, tmp_path: Path
) -> None:
    trainer = make_trainer(config, tmp_path)
    seen: list[int] = []

    def remember(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        seen.append(arguments[0].shape[1])

    trainer.model.encoder.register_forward_pre_hook(remember)
    for step, points in ((0, 32), (config.run.steps - 1, 64)):
        trainer.update(step)
        first, second = trainer.evaluate(), trainer.evaluate()
        assert seen == [points] * 3, "training, and twice what is held out"
        assert first == second
        seen.clear()


def nearest(points_BN3: Tensor) -> float:
    """The mean distance of a point to the nearest other."""
    distance_BNN = torch.cdist(points_BN3, points_BN3) + 10 * torch.eye(points_BN3.shape[1])
    return float(distance_BNN.amin(dim=-1).mean())


def test_held_out_clouds_are_spread_evenly_where_those_trained_on_are(config: PretrainConfig) -> None:
    cache = open_cache(config.data.cache)
    spacing = {}
    for share in (0.0, 1.0):
        batches = Batches(cache, config.change(even_probability=share))
        clouds = batches.held_out(0, 4, 64).points_BN3, batches(0).points_BN3
        assert torch.equal(clouds[0], batches.held_out(0, 4, 64).points_BN3)
        spacing[share] = [nearest(each) for each in clouds]
    assert all(even > 1.2 * random for random, even in zip(spacing[0.0], spacing[1.0], strict=True))


@pytest.mark.parametrize("changes", [{}, {"even_probability": 1.0, "points_weight": 1.0}])
def test_points_are_sampled_on_the_device(config: PretrainConfig, changes: dict[str, float]) -> None:
    """On the device without numbers, whose tensors mix with none of the CPU's."""
    changed = config.change(**changes)
    cache = open_cache(config.data.cache)
    here, there = Batches(cache, changed), Batches(cache, changed, device=torch.device("meta"))
    for one, other in ((here(0), there(0)), (here.held_out(0, 4, 32), there.held_out(0, 4, 32))):
        assert [value.device.type for value in one] == ["cpu"] * 5
        assert [value.device.type for value in other] == ["meta"] * 5
        assert [value.shape for value in one] == [value.shape for value in other]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_samples_what_a_cpu_samples(config: PretrainConfig) -> None:
    even = config.change(even_probability=1.0, points_weight=1.0)
    cache = open_cache(config.data.cache)
    for one, other in zip(Batches(cache, even)(0), Batches(cache, even, device="cuda")(0), strict=True):
        torch.testing.assert_close(one, other.cpu(), rtol=0, atol=1e-5)


def test_every_object_once_an_epoch_and_none_held_out(config: PretrainConfig) -> None:
    cache = open_cache(config.data.cache)
    batches = Batches(cache, config)
    assert set(batches.held_out_rows).isdisjoint(batches.train_rows)
    first = torch.cat([batches(step).embeddings_BVD[:, 0] for step in range(batches.steps_per_epoch)])
    assert len(torch.unique(first, dim=0)) == len(first) == 24
    assert batches(0).pose_BV3.shape == (8, 2, 3)
    for one, other in zip(batches(5), Batches(cache, config)(5), strict=True):
        assert torch.equal(one, other)
    halves = [Batches(cache, config, rank, 2)(5).points_BN3 for rank in (0, 1)]
    assert torch.equal(torch.stack(halves, dim=1).flatten(0, 1), batches(5).points_BN3)
