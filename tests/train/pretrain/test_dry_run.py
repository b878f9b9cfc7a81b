"""The dry run: what it prints is what a run would take, and what a run refuses it refuses."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from crossjepa.cli.pretrain import main
from crossjepa.ops import farthest_point_sampling
from crossjepa.train.pretrain.config import load_config
from crossjepa.train.pretrain.dry_run import PAPER_WIDTH, _phases, plan_run, random_cache
from crossjepa.train.pretrain.model import Losses, PretrainModel
from tests.helpers.small_cache import CONFIG, OBJECTS, VIEWS, make_cache

SMALL = ["--size", "crossjepa-test", "--predictor-depth", "1", "--few-points", "32", "--device", "cpu"]
FITTING = ["--batch-size", "8", "--views-per-step", "2", "--held-out", "4", "--steps", "12"]
# Longer than a step of the model.
SECONDS = 0.2


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small cache."""
    folder = tmp_path_factory.mktemp("cache") / "cache"
    make_cache(folder)
    return folder


def test_the_paper_recipe_has_the_paper_size() -> None:
    model = PretrainModel(load_config("shapenet-paper"), PAPER_WIDTH)
    encoder, whole = (sum(value.numel() for value in part.parameters()) for part in (model.encoder, model))
    assert (f"{encoder / 1e6:.2f}", f"{whole / 1e6:.1f}") == ("8.48", "14.1")


@pytest.mark.parametrize("cached", [True, False])
def test_counts(cache: Path, cached: bool) -> None:
    config = replace(CONFIG, cache=str(cache) if cached else "", steps=0, epochs=4)
    plan = plan_run(config, objects=OBJECTS, target_width=16, device="cpu")
    assert (plan.objects, plan.steps, plan.clouds) == (24, 12, 96)
    first = round(config.few_share * plan.steps)
    seconds = first * plan.seconds_first + (plan.steps - first) * plan.seconds_last
    assert plan.hours * 3600 == pytest.approx(seconds)
    assert plan.predictor_parameters == plan_run(replace(config, cache=str(cache))).predictor_parameters


def test_frozen_steps_are_measured_with_a_frozen_encoder(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, cache=str(cache), few_share=0.5, frozen_steps=3)
    assert _phases(config, 12) == [(3, True, True), (3, True, False), (6, False, False)]
    assert _phases(replace(config, frozen_steps=99), 12) == [(6, True, True), (6, False, True)]
    frozen = []

    def watched(model: PretrainModel, *given: Any) -> Losses:
        frozen.append(not model.encoder.norm.weight.requires_grad)
        return forward(model, *given)

    forward = PretrainModel.forward
    monkeypatch.setattr(PretrainModel, "forward", watched)
    plan_run(config, device="cpu")
    assert frozen == sorted(frozen, reverse=True)
    assert set(frozen) == {True, False}


@pytest.mark.parametrize(("even", "cached"), [(1.0, False), (0.5, True)])
def test_hours_count_the_data(
    cache: Path, monkeypatch: pytest.MonkeyPatch, even: float, cached: bool
) -> None:
    def slow(points_BN3: Tensor, count: int) -> Tensor:
        time.sleep(SECONDS)
        return farthest_point_sampling(points_BN3, count)

    monkeypatch.setattr("crossjepa.train.pretrain.augment.farthest_point_sampling", slow)
    config = replace(CONFIG, cache=str(cache) if cached else "", even_probability=even, few_points=1024)
    plan = plan_run(config, objects=OBJECTS, device="cpu")
    assert min(plan.seconds_first, plan.seconds_last) >= even * SECONDS
    assert plan.data_share * plan.hours * 3600 >= even * SECONDS * plan.steps
    assert 0 < plan.data_share < 1
    assert f"{plan.data_share:.0%} of them for the data" in str(plan)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch-size", "64"], "24 objects to train on do not fill a batch of 64"),
        (["--held-out", "100"], "0 objects to train on do not fill a batch of 8"),
        (["--steps", "0", "--epochs", "3", "--batch-size", "25"], "24 objects to train on do not fill"),
        (["--views-per-step", "8"], f"views_per_step is 8, but the cache has {VIEWS} views"),
    ],
)
def test_what_a_run_refuses(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    errors = []
    for how in (["-o", str(tmp_path / "run")], ["--dry-run"]):
        assert main([*SMALL, *FITTING, "--cache", str(cache), *words, *how]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        errors.append(captured.err)
    assert errors[0] == errors[1]
    assert message in errors[0]


def test_too_few_objects_and_views_without_a_cache() -> None:
    for objects, views, message in (
        (10, 2, "6 objects to train on do not fill a batch of 8"),
        (50, 1, "views_per_step is 2, but the cache has 1 views"),
        (0, 2, "how many objects"),
        (-5, 2, "how many objects"),
    ):
        with pytest.raises(ValueError, match=message):
            plan_run(CONFIG, objects=objects, views=views, device="cpu")


def test_random_caches_of_many_objects_take_no_memory() -> None:
    cache = random_cache(10_000_000, 8, 768)
    assert (len(cache), cache.views, cache.width) == (10_000_000, 8, 768)
    for array in (cache.embeddings_SVD.stored, cache.points_SP3, cache.histograms_SVH, cache.poses_SV5):
        assert array.strides[0] == 0


def test_a_recipe_that_does_not_grow_is_measured_once(cache: Path) -> None:
    config = replace(CONFIG, cache=str(cache), few_points=1024)
    plan = plan_run(config, device="cpu")
    assert plan.seconds_first == plan.seconds_last
