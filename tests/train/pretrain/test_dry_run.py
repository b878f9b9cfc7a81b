"""The dry run: what it prints is what a run would take, and what a run refuses it refuses."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from crossjepa.ops import farthest_point_sampling
from crossjepa.train.cache import open_cache
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.config import PretrainConfig, RunOptions
from crossjepa.train.pretrain.dry_run import (
    PAPER_WIDTH,
    cache_gigabytes,
    dry_run,
    phases_of,
    random_batch,
    random_cache,
)
from crossjepa.train.pretrain.model import Losses, PretrainModel
from crossjepa.train.pretrain.recipes import load_config
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.small_cache import CONFIG, OBJECTS, VIEWS, WIDTH


def test_the_paper_recipe_has_the_paper_size() -> None:
    model = PretrainModel(load_config("shapenet-paper"), PAPER_WIDTH)
    encoder, both = (sum(value.numel() for value in part.parameters()) for part in (model.encoder, model))
    assert (f"{encoder / 1e6:.2f}", f"{both / 1e6:.1f}") == ("8.48", "14.1")


@pytest.mark.parametrize("cached", [True, False])
def test_counts(config: PretrainConfig, cached: bool) -> None:
    counted = (config if cached else CONFIG).change(steps=0, epochs=4)
    result = dry_run(counted, objects=OBJECTS, target_width=16, device="cpu")
    assert (result.objects, result.steps, result.clouds) == (24, 12, 96)
    first = round(config.data.few_share * result.steps)
    seconds = first * result.seconds_first + (result.steps - first) * result.seconds_last
    assert result.hours * 3600 == pytest.approx(seconds)
    assert result.predictor_parameters == dry_run(config, device="cpu").predictor_parameters


def test_a_run_has_as_many_phases_as_kinds_of_steps() -> None:
    config = CONFIG.change(few_share=0.5, frozen_steps=3)
    assert phases_of(config, 12) == [(3, True, True), (3, True, False), (6, False, False)]
    assert phases_of(config.change(frozen_steps=99), 12) == [(6, True, True), (6, False, True)]
    assert phases_of(CONFIG.change(few_points=1024), 12) == [(12, False, False)]


def test_frozen_steps_are_measured_with_a_frozen_encoder(
    config: PretrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = []

    def watched(model: PretrainModel, *given: Any) -> Losses:
        frozen.append(not model.encoder.norm.weight.requires_grad)
        return forward(model, *given)

    forward = PretrainModel.forward
    monkeypatch.setattr(PretrainModel, "forward", watched)
    dry_run(config.change(few_share=0.5, frozen_steps=3), device="cpu")
    assert frozen == sorted(frozen, reverse=True)
    assert set(frozen) == {True, False}


@pytest.mark.parametrize(("even", "cached"), [(1.0, False), (0.5, True)])
def test_hours_count_the_data(
    config: PretrainConfig, monkeypatch: pytest.MonkeyPatch, even: float, cached: bool
) -> None:
    """On a clock that moves 3 s with every batch of even points and 2 s with every step of the model."""
    now = 0.0

    def sampled(points_BN3: Tensor, count: int) -> Tensor:
        nonlocal now
        now += 3.0
        return farthest_point_sampling(points_BN3, count)

    def computed(model: PretrainModel, *given: Any) -> Losses:
        nonlocal now
        now += 2.0
        return forward(model, *given)

    forward = PretrainModel.forward
    monkeypatch.setattr(PretrainModel, "forward", computed)
    monkeypatch.setattr("crossjepa.train.pretrain.augment.farthest_point_sampling", sampled)
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    measured = (config if cached else CONFIG).change(even_probability=even, few_points=1024)
    result = dry_run(measured, objects=OBJECTS, device="cpu")
    assert result.seconds_first == result.seconds_last == 2 + 3 * even
    assert result.hours * 3600 == pytest.approx(12 * (2 + 3 * even))
    assert result.data_share == pytest.approx(3 * even / (2 + 3 * even))
    assert f"{result.data_share:.0%} of them for the data" in str(result)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 64}, "28 objects, --held-out 4 leaves 24 to train on, but --batch-size is 64"),
        ({"held_out": 100}, "28 objects, --held-out 100 leaves none to train on, but --batch-size is 8"),
        ({"steps": 0, "epochs": 3, "batch_size": 25}, "leaves 24 to train on, but --batch-size is 25"),
        ({"views_per_step": 8}, f"--views-per-step 8 is too many: the cache has {VIEWS} views"),
    ],
)
def test_what_a_run_refuses(
    config: PretrainConfig, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    changed = config.change(**options)
    with pytest.raises(ValueError, match=message) as of_run:
        pretrain(changed, tmp_path / "run", RunOptions(device="cpu", progress=False))
    with pytest.raises(ValueError, match=re.escape(str(of_run.value))):
        dry_run(changed, device="cpu")


def test_too_few_objects_and_views_without_a_cache() -> None:
    for objects, views, message in (
        (10, 2, "10 objects, --held-out 4 leaves 6 to train on, but --batch-size is 8"),
        (50, 1, "--views-per-step 2 is too many: the cache has 1 views"),
        (0, 2, "how many objects"),
        (-5, 2, "how many objects"),
    ):
        with pytest.raises(ValueError, match=message):
            dry_run(CONFIG, objects=objects, views=views, device="cpu")


def test_memory_is_left_out_if_the_system_does_not_tell(
    config: PretrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "win32":
        result = dry_run(config, device="cpu")
        assert result.gigabytes is not None
        assert 0.05 < result.gigabytes < 100
        assert "memory" in str(result)
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    result = dry_run(config, device="cpu")
    assert result.gigabytes is None
    assert "memory" not in str(result)
    assert str(replace(result, gigabytes=1.5)).splitlines()[3] == "memory       1.5 GB"


def test_caches_are_as_large_as_their_files(config: PretrainConfig) -> None:
    names = ("embeddings", "poses", "histograms")
    size = sum((Path(config.data.cache) / f"{name}.npy").stat().st_size for name in names)
    points = OBJECTS * 4096 * 3 * 2  # as many as are stored by default
    assert cache_gigabytes(OBJECTS, VIEWS, 16) * 1e9 == pytest.approx(size + points, abs=1000)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_memory_is_that_of_a_gpu(config: PretrainConfig) -> None:
    result = dry_run(config, device="cuda")
    assert result.gigabytes == torch.cuda.max_memory_allocated() / 1e9


def test_random_batches_have_the_shapes_of_real_ones(config: PretrainConfig) -> None:
    real = Batches(open_cache(config.data.cache), config)(0)
    noise = random_batch(config, WIDTH, real.points_BN3.shape[1], torch.device("cpu"))
    assert noise.mask_BN is real.mask_BN is None
    assert [value.shape for value in noise[:8]] == [value.shape for value in real[:8]]
    assert [value.dtype for value in noise[:8]] == [value.dtype for value in real[:8]]


def test_random_caches_of_many_objects_take_no_memory() -> None:
    cache = random_cache(10_000_000, 8, 768)
    assert (len(cache), cache.views, cache.width) == (10_000_000, 8, 768)
    for array in (cache.embeddings_SVD.stored, cache.points_SP3, cache.histograms_SVH, cache.poses_SV5):
        assert array.strides[0] == 0
