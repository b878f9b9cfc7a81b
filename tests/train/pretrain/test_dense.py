"""Dense targets in training: chosen points move with their clouds, and nothing else changes.

B clouds, Q points, K channels
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa.ops import farthest_point_sampling, gather_points, nearest_neighbors
from crossjepa.train.cache import open_cache
from crossjepa.train.cache.concat import open_caches
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.dry_run import dry_run, random_batch
from crossjepa.train.pretrain.model import PretrainModel
from crossjepa.train.pretrain.scans import Scanned
from tests.helpers.runs import losses, make_trainer
from tests.helpers.small_cache import CONFIG, WIDTH, make_cache


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> PretrainConfig:
    """A small recipe with a loss on dense targets."""
    folder = tmp_path_factory.mktemp("cache") / "cache"
    make_cache(folder, dense=(48, 6))
    return CONFIG.change(cache=str(folder), dense_weight=1.0, dense_points=16)


def test_points_move_with_the_cloud_and_keep_their_targets(dense: PretrainConfig) -> None:
    """Their targets are where they were: one linear map and one shift per cloud leads from there to here."""
    batch = Batches(open_cache(dense.data.cache), dense.change(scale_range=0.5, jitter=0.0))(0)
    assert batch.queries_BQ3.shape == (8, 16, 3)
    assert batch.dense_BQK.shape == (8, 16, 6)
    assert batch.seen_BQ.all(), "there are 36 points that are seen, of which 16 are chosen"
    stored_BQ4 = torch.cat([batch.dense_BQK[..., :3], torch.ones(8, 16, 1)], dim=2)
    moved_BQ3 = stored_BQ4 @ torch.linalg.lstsq(stored_BQ4, batch.queries_BQ3).solution
    torch.testing.assert_close(moved_BQ3, batch.queries_BQ3, rtol=0, atol=0.05)  # of steps of 1/32
    # Clouds of all 256 stored points hold the chosen ones.
    few = dense.change(few_points=256, scale_range=0.5, jitter=0.0, size="crossjepa-base", even_probability=0)
    batch = Batches(open_cache(dense.data.cache), few)(0)
    distance_BQ1, _ = nearest_neighbors(batch.queries_BQ3, batch.points_BN3, 1)
    assert float(distance_BQ1.max()) < 1e-3


def test_other_points_are_chosen_in_every_epoch_always_the_same(dense: PretrainConfig) -> None:
    batches = Batches(open_cache(dense.data.cache), dense.change(batch_size=24, held_out=4))
    first, again, later = batches(0), batches(0), batches(1)
    torch.testing.assert_close(first.dense_BQK, again.dense_BQK, rtol=0, atol=0)
    sums = [batch.dense_BQK.sum(dim=(1, 2)).sort().values for batch in (first, later)]
    assert not torch.equal(*sums), "the objects are the same, in another order"
    held_out = batches.held_out(0, 4, 64), batches.held_out(0, 4, 64)
    torch.testing.assert_close(held_out[0].queries_BQ3, held_out[1].queries_BQ3, rtol=0, atol=0)


def test_points_that_are_not_seen_come_last(dense: PretrainConfig) -> None:
    batch = Batches(open_cache(dense.data.cache), dense.change(dense_points=40))(0)
    assert (batch.seen_BQ.sum(dim=1) == 36).all()
    assert batch.seen_BQ[:, :36].all()


def test_clouds_and_views_are_those_of_a_run_without(dense: PretrainConfig) -> None:
    cache = open_cache(dense.data.cache)
    with_dense, without = Batches(cache, dense)(1), Batches(cache, dense.change(dense_weight=0.0))(1)
    assert without.queries_BQ3.shape == (8, 0, 3)
    for name in ("points_BN3", "other_points_BN3", "pose_BV3", "histogram_BVH", "embeddings_BVD"):
        assert torch.equal(getattr(with_dense, name), getattr(without, name)), name


def test_points_move_with_scans_too(dense: PretrainConfig) -> None:
    """Tilted and stretched clouds of fewer points, of which tokens that are not real tell nothing."""
    changes = {"stretch_probability": 1.0, "tilt_probability": 1.0, "dropout_global_probability": 1.0}
    config = dense.change(jitter=0.0, few_points=64, **changes)
    batch = Batches(open_cache(dense.data.cache), config)(0)
    assert batch.mask_BN is not None
    stored_BQ4 = torch.cat([batch.dense_BQK[..., :3], torch.ones(8, 16, 1)], dim=2)
    moved_BQ3 = stored_BQ4 @ torch.linalg.lstsq(stored_BQ4, batch.queries_BQ3).solution
    torch.testing.assert_close(moved_BQ3, batch.queries_BQ3, rtol=0, atol=0.1)  # of steps of 1/32
    losses = PretrainModel(config, WIDTH, dense_channels=6)(batch, batch.embeddings_BVD)
    assert losses.parts["dense"].isfinite()


@pytest.mark.parametrize("options", [{"tilt": 0.5}, {"dropout_global": 1.0, "clutter": 0.5}])
def test_evenly_spread_points_are_left_to_the_device(
    dense: PretrainConfig, options: dict[str, float]
) -> None:
    """Others prepare twice as many points; of the real ones alone, each cloud then takes the farthest."""
    changes = {f"{name}_probability": share for name, share in options.items()}
    config = dense.change(even_probability=1.0, few_points=64, points_weight=1.0, **changes)
    batches = Batches(open_cache(dense.data.cache), config)
    prepared, batch = batches.prepare(0), batches(0)
    assert prepared.other is not None
    for cloud, points_BN3, mask_BN in (
        (prepared.cloud, batch.points_BN3, batch.mask_BN),
        (prepared.other, batch.other_points_BN3, batch.other_mask_BN),
    ):
        assert cloud.points_BM3.shape == (8, 128, 3)
        assert points_BN3.shape == (8, 64, 3)
        assert (mask_BN is None) == ("dropout_global" not in options)
        assert isinstance(cloud, Scanned)
        query_BQ3 = cloud.placement.apply(prepared.dense.points_BQ3)
        for row, points_N3 in enumerate(points_BN3):
            real_M = slice(None) if cloud.mask_BM is None else cloud.mask_BM[row]
            real_N = slice(None) if mask_BN is None else mask_BN[row]
            real_1M3 = cloud.points_BM3[row, real_M][None]
            count = min(64, real_1M3.shape[1])
            chosen_1N3 = gather_points(real_1M3, farthest_point_sampling(real_1M3, count))
            center_13 = chosen_1N3[0].mean(dim=0, keepdim=True)
            radius = (chosen_1N3[0] - center_13).norm(dim=-1).max()
            expected_N3 = (chosen_1N3[0] - center_13) / radius
            torch.testing.assert_close(points_N3[real_N], expected_N3, rtol=0, atol=1e-5)
            if cloud is prepared.cloud:
                moved_Q3 = (query_BQ3[row] - center_13) / radius
                torch.testing.assert_close(batch.queries_BQ3[row], moved_Q3, rtol=0, atol=1e-5)


def test_the_other_losses_start_the_same(dense: PretrainConfig, tmp_path: Path) -> None:
    first = make_trainer(dense.change(dense_weight=0.5), tmp_path / "dense").update(0)
    without = make_trainer(dense.change(dense_weight=0.0), tmp_path / "without").update(0)
    assert "dense_loss" not in without
    for name in ("view_loss", "object_loss", "contrast_loss"):
        assert first[name] == without[name]
    assert first["loss"] == pytest.approx(without["loss"] + 0.5 * first["dense_loss"])


@pytest.mark.slow
def test_the_loss_falls_and_a_run_resumes_exactly(dense: PretrainConfig, tmp_path: Path) -> None:
    config = dense.change(steps=30)
    trainer = make_trainer(config, tmp_path / "whole")
    trainer.train()
    found = losses(tmp_path / "whole")
    half = make_trainer(config, tmp_path / "half")
    for step in range(15):
        half.update(step)
    half.step = 15
    half.save()
    resumed = make_trainer(config, tmp_path / "half")
    last = [resumed.update(step)["dense_loss"] for step in range(15, 30)]
    first = make_trainer(config, tmp_path / "first").update(0)["dense_loss"]
    assert last[-1] < 0.6 * first
    assert np.isfinite(found).all()
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, trainer.model.state_dict()[name]), name


def test_several_caches_need_one_basis(dense: PretrainConfig, tmp_path: Path) -> None:
    make_cache(tmp_path / "few", objects=12, points=64, seed=1, dense=(20, 6))
    both = open_caches(f"{dense.data.cache},{tmp_path / 'few'}")
    batch = Batches(both, dense)(0)
    assert batch.dense_BQK.shape == (8, 16, 6)
    make_cache(tmp_path / "plain", objects=12, seed=2)
    with pytest.raises(ValueError, match="dense_weight needs a cache with dense targets"):
        Batches(open_caches(f"{dense.data.cache},{tmp_path / 'plain'}"), dense)
    with pytest.raises(ValueError, match="dense_points is 24, but the cache has targets at 20 points"):
        Batches(both, dense.change(dense_points=24))


def test_a_dry_run_measures_it_with_and_without_a_cache(dense: PretrainConfig) -> None:
    cache = open_cache(dense.data.cache)
    real = Batches(cache, dense)(0)
    noise = random_batch(dense, WIDTH, real.points_BN3.shape[1], torch.device("cpu"), cache.dense_channels)
    assert [value.shape for value in noise[:8]] == [value.shape for value in real[:8]]
    assert [value.dtype for value in noise[:8]] == [value.dtype for value in real[:8]]
    for config, objects in ((dense, 0), (dense.change(cache="", held_out=0), 20)):
        sizes = [
            dry_run(each, objects=objects, target_width=WIDTH).predictor_parameters
            for each in (config, config.change(dense_weight=0.0))
        ]
        assert sizes[0] > sizes[1]
