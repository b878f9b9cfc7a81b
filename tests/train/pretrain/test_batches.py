"""Batches: what is held out is drawn as in training, and all is drawn on the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crossjepa.train.cache import open_cache
from crossjepa.train.pretrain.augment_config import AugmentSection
from crossjepa.train.pretrain.batches import Batch, Batches
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


EVERY_SCAN = {f"{name}_probability": 0.5 for name in AugmentSection().probabilities}


def tensors(batch: Batch) -> list[Tensor]:
    """The parts of a batch, without masks if it has none."""
    return [part for part in batch if part is not None]


@pytest.mark.parametrize(
    "changes", [{}, {"even_probability": 1.0, "points_weight": 1.0}, {**EVERY_SCAN, "points_weight": 1.0}]
)
def test_points_are_sampled_on_the_device(config: PretrainConfig, changes: dict[str, float]) -> None:
    """On the device without numbers, whose tensors mix with none of the CPU's."""
    changed = config.change(**changes)
    cache = open_cache(config.data.cache)
    here, there = Batches(cache, changed), Batches(cache, changed, device=torch.device("meta"))
    for one, other in ((here(0), there(0)), (here.held_out(0, 4, 32), there.held_out(0, 4, 32))):
        assert {part.device.type for part in tensors(one)} == {"cpu"}
        assert {part.device.type for part in tensors(other)} == {"meta"}
        assert [part.shape for part in tensors(one)] == [part.shape for part in tensors(other)]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("changes", [{"even_probability": 1.0}, {**EVERY_SCAN, "even_probability": 0.0}])
def test_a_gpu_samples_what_a_cpu_samples(config: PretrainConfig, changes: dict[str, float]) -> None:
    changed = config.change(points_weight=1.0, **changes)
    cache = open_cache(config.data.cache)
    here, there = Batches(cache, changed)(0), Batches(cache, changed, device="cuda")(0)
    for one, other in zip(tensors(here), tensors(there), strict=True):
        torch.testing.assert_close(one, other.cpu(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", AugmentSection().probabilities)
def test_a_cloud_depends_on_no_other_and_on_its_epoch(config: PretrainConfig, name: str) -> None:
    scanned = config.change(**{f"{name}_probability": 0.5}, points_weight=1.0, even_probability=0.0)
    cache = open_cache(config.data.cache)
    batches = Batches(cache, scanned)
    batch = batches(1)
    for one, other in zip(tensors(batch), tensors(Batches(cache, scanned)(1)), strict=True):
        assert torch.equal(one, other)
    halves = [tensors(Batches(cache, scanned, rank, 2)(1)) for rank in (0, 1)]
    for part, *of_ranks in zip(tensors(batch), *halves, strict=True):
        torch.testing.assert_close(torch.stack(of_ranks, dim=1).flatten(0, 1), part, rtol=0, atol=1e-6)
    plain = Batches(cache, config.change(even_probability=0.0))(1)
    changed_B = (batch.points_BN3 - plain.points_BN3).abs().amax(dim=(1, 2)) > 1e-5
    assert 0 < changed_B.sum() < len(changed_B), "some clouds, and only those"
    assert not torch.equal(batch.points_BN3, batch.other_points_BN3)


def test_no_scan_like_augmentation_is_on_unless_asked_for(config: PretrainConfig) -> None:
    cache = open_cache(config.data.cache)
    sizes = {"stretch": 3.0, "tilt": 90.0, "noise": 1.0, "background": 0.9, "outliers": 0.9}
    for one, other in zip(
        tensors(Batches(cache, config)(2)), tensors(Batches(cache, config.change(**sizes))(2)), strict=True
    ):
        assert torch.equal(one, other)


def test_clouds_of_fewer_points_repeat_theirs(config: PretrainConfig) -> None:
    few = config.change(dropout_global_probability=1.0, few_share=0.0, even_probability=0.0)
    batch = Batches(open_cache(config.data.cache), few)(0)
    assert batch.mask_BN is not None
    assert batch.mask_BN is batch.other_mask_BN
    real_B = batch.mask_BN.sum(dim=1)
    assert real_B.min() >= 16, "a quarter of 64"
    assert real_B.min() < real_B.max()
    for points_N3, mask_N in zip(batch.points_BN3, batch.mask_BN, strict=True):
        real_n3 = points_N3[mask_N]
        assert len(np.unique(real_n3.numpy(), axis=0)) == len(real_n3)
        torch.testing.assert_close(real_n3.mean(dim=0), torch.zeros(3), rtol=0, atol=1e-6)
        torch.testing.assert_close(real_n3.norm(dim=1).max(), torch.tensor(1.0))


def test_training_takes_clouds_of_all_kinds(config: PretrainConfig, tmp_path: Path) -> None:
    losses_on = {"points_weight": 1.0, "occupancy_weight": 1.0, "occupancy_nodes": 2}
    trainer = make_trainer(config.change(**EVERY_SCAN, **losses_on), tmp_path)
    losses = [trainer.update(step)["loss"] for step in range(trainer.steps)]
    assert max(losses[-3:]) < losses[0]


def test_every_object_once_an_epoch_and_none_held_out(config: PretrainConfig) -> None:
    cache = open_cache(config.data.cache)
    batches = Batches(cache, config)
    assert set(batches.held_out_rows).isdisjoint(batches.train_rows)
    first = torch.cat([batches(step).embeddings_BVD[:, 0] for step in range(batches.steps_per_epoch)])
    assert len(torch.unique(first, dim=0)) == len(first) == 24
    assert batches(0).pose_BV3.shape == (8, 2, 3)
    for one, other in zip(tensors(batches(5)), tensors(Batches(cache, config)(5)), strict=True):
        assert torch.equal(one, other)
    halves = [Batches(cache, config, rank, 2)(5).points_BN3 for rank in (0, 1)]
    assert torch.equal(torch.stack(halves, dim=1).flatten(0, 1), batches(5).points_BN3)
