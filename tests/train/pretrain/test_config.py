"""Recipes: YAML, overrides, and what is refused."""

from __future__ import annotations

from dataclasses import asdict
from math import inf, nan
from pathlib import Path
from typing import get_type_hints

import pytest

from crossjepa.registry import CHECKPOINTS
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.pretrain.config import (
    _LIMITS,
    CONFIG_FOLDER,
    PretrainConfig,
    load_config,
    parse_overrides,
)
from crossjepa.train.pretrain.trainer import RunOptions, pretrain
from tests.conftest import REPOSITORY
from tests.helpers.small_cache import make_cache

RECIPES = sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml"))
DOCUMENT = REPOSITORY / "docs" / "pretraining.md"


def test_recipes_of_the_package_are_documented() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    assert set(RECIPES) <= {row.split("`")[1] for row in rows}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_of_the_package_load(name: str) -> None:
    assert load_config(name).size == "crossjepa-base"


@pytest.mark.parametrize(
    ("weights", "recipe"),
    [("crossjepa-base", "bundled-pose"), ("crossjepa-base-modelnet40", "bundled-modelnet40")],
)
def test_recipes_are_those_of_the_released_weights(weights: str, recipe: str) -> None:
    recorded = CHECKPOINTS[weights].config()["provenance"]["recipe"]
    elsewhere = ("cache", "init_from", "objects")
    given = asdict(load_config(recipe))
    known = {key: value for key, value in recorded.items() if key not in elsewhere}
    assert len(known) > 20
    assert known == {key: given[key] for key in known}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_of_the_package_train(name: str, tmp_path: Path) -> None:
    make_cache(tmp_path / "cache", objects=12)
    small = [
        "--size",
        "crossjepa-test",
        "--steps",
        "2",
        "--epochs",
        "0",
        "--batch-size",
        "4",
        "--held-out",
        "2",
    ]
    small += ["--predictor-depth", "1", "--views-per-step", "2", "--occupancy-nodes", "2"]
    config = load_config(name, [*small, "--cache", str(tmp_path / "cache")])
    pretrain(config, tmp_path / "run", RunOptions(device="cpu", progress=False))
    recorded = load_checkpoint(checkpoints(tmp_path / "run")[-1])["recipe"]
    assert {**recorded, "cache": config.cache} == {**asdict(config), "objects": 12}


def test_overrides_are_of_the_types_of_their_fields() -> None:
    words = ["--learning-rate", "1e-3", "--compile=true", "--cache", "some folder", "--steps", "10"]
    assert parse_overrides(words) == {
        "learning_rate": 1e-3,
        "compile": True,
        "cache": "some folder",
        "steps": 10,
    }
    config = load_config("bundled", words)
    assert (config.learning_rate, config.compile, config.steps) == (1e-3, True, 10)
    assert load_config("bundled", ["--jitter", "0"]).jitter == 0.0
    assert load_config("bundled", ["--compile", "False"]).compile is False
    assert load_config("bundled", ["--gradient-clip", "inf"]).gradient_clip == float("inf")


@pytest.mark.parametrize(
    "text", ["run #2/cache", "2024", "@x", "true", "a: b", "[x]", "1e3", "", "null", "-"]
)
def test_names_of_caches_are_taken_as_they_are(text: str) -> None:
    assert load_config("bundled", ["--cache", text]).cache == text
    assert load_config("bundled", [f"--cache={text}"]).cache == text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stpes", "3"], "unknown field.*stpes"),
        (["--steps", "many"], "steps must be of type int"),
        (["--steps", "3", "--epochs", "2"], "either steps or epochs"),
        (["--optimizer", "sgd"], "optimizer must be one of"),
        (["--batch-size", "0"], "batch_size must be at least 1"),
        (["--occupancy-nodes", "1"], "occupancy_nodes must be at least 2"),
        (["--occupancy-nodes", "7", "--occupancy-weight", "1"], "fewer channels than its grid"),
        (["--size", "huge"], "size must be one of"),
        (["--steps", "1e3"], "steps must be of type int, not '1e3'"),
        (["--compile", "1"], "compile must be of type bool, not '1'"),
        (["--jitter", "much"], "jitter must be of type float, not 'much'"),
        (["--few-points", "8"], "few_points 8 are too few: num_groups"),
        (["steps", "3"], "overrides look like"),
        (["--steps"], "overrides look like"),
    ],
)
def test_impossible_overrides_are_named(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_config("bundled", words)


@pytest.mark.parametrize(
    ("names", "values", "reason"),
    [
        ("batch_size views_per_step predictor_depth few_points", (0, -1), "at least 1"),
        ("steps epochs warmup_steps frozen_steps held_out seed", (-1,), "at least 0"),
        ("learning_rate final_learning_rate weight_decay jitter", (-1e-9, inf, nan), "at least 0"),
        ("object_weight contrast_weight points_weight occupancy_weight", (-0.1, inf, nan), "at least 0"),
        ("gradient_clip", (0.0, -1.0, nan), "above 0"),
        ("smooth_l1_beta", (0.0, -1.0, inf, nan), "above 0"),
        ("decay_share few_share even_probability", (-0.1, 1.1, nan), "from 0 to 1"),
        ("scale_range", (-0.1, 1.0, nan), "from 0 to below 1"),
    ],
)
def test_impossible_values_are_refused(names: str, values: tuple[float, ...], reason: str) -> None:
    for name in names.split():
        for value in values:
            with pytest.raises(ValueError, match=f"{name} must be {reason}"):
                PretrainConfig(**{name: value})  # type: ignore[arg-type]


def test_every_number_has_limits() -> None:
    hints = get_type_hints(PretrainConfig)
    limited = " ".join(names for names, _, _ in _LIMITS).split()
    assert sorted(limited) == sorted(name for name, kind in hints.items() if kind in (int, float))


def test_negative_steps_are_not_made_up_for_by_epochs() -> None:
    with pytest.raises(ValueError, match="steps must be at least 0"):
        PretrainConfig(steps=-5, epochs=2)
    with pytest.raises(ValueError, match="steps must be of type int, not True"):
        PretrainConfig(steps=True)


def test_who_is_to_blame_is_named(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("stpes: 3\n")
    for words, message in (
        ([], r"mine\.yaml: .*unknown.*stpes"),
        (["--size", "crossjepa-test", "--stpes", "3"], "^command line: unknown field --stpes"),
        (["--steps", "x"], "^command line: steps"),
    ):
        with pytest.raises(ValueError, match=message):
            load_config(str(recipe), words)
    recipe.write_text("steps: 3\n")
    with pytest.raises(ValueError, match=r"mine\.yaml with --cache 'a b' --batch-size 0: batch_size must"):
        load_config(str(recipe), ["--cache", "a b", "--batch-size", "0"])


def test_contrast_with_the_cache_needs_a_frozen_teacher() -> None:
    with pytest.raises(ValueError, match="needs a frozen teacher"):
        load_config("bundled", ["--contrast-with", "cache", "--learnable-teacher", "true"])


def test_unreadable_recipes_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"bundled.*shapenet-paper"):
        load_config("shapenet")
    for text, message in (
        ("- 1", "key: value"),
        ("1: 2\nsteps: 3", "key: value"),
        ("a: [", "not readable as YAML"),
        ("cache: @x", "not readable as YAML"),
        ("cache: \xff", "not readable as YAML"),
    ):
        (tmp_path / "recipe.yaml").write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match=rf"recipe\.yaml.*{message}"):
            load_config(str(tmp_path / "recipe.yaml"))


def test_few_points_come_first() -> None:
    config = PretrainConfig(few_share=0.5)
    small, full = config.encoder_at(0.49), config.encoder_at(0.5)
    assert (small.num_points, small.num_groups, small.group_size) == (512, 32, 16)
    assert (full.num_points, full.num_groups, full.group_size) == (1024, 64, 32)
