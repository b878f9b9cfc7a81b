"""Recipes: YAML, overrides, and what is refused."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from crossjepa.registry import CHECKPOINTS
from crossjepa.train.config import CONFIG_FOLDER, PretrainConfig, load_config, parse_overrides


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml")))
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


def test_overrides_are_read_as_yaml() -> None:
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
        (["steps", "3"], "overrides look like"),
        (["--steps"], "overrides look like"),
    ],
)
def test_impossible_overrides_are_named(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_config("bundled", words)


def test_contrast_with_the_cache_needs_a_frozen_teacher() -> None:
    with pytest.raises(ValueError, match="needs a frozen teacher"):
        load_config("bundled", ["--contrast-with", "cache", "--learnable-teacher", "true"])


def test_unreadable_recipes_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"bundled.*shapenet-paper"):
        load_config("shapenet")
    for text, message in (("- 1", "key: value"), ("a: [", "not readable as YAML")):
        (tmp_path / "recipe.yaml").write_text(text)
        with pytest.raises(ValueError, match=rf"recipe\.yaml.*{message}"):
            load_config(str(tmp_path / "recipe.yaml"))


def test_few_points_come_first() -> None:
    config = PretrainConfig(few_share=0.5)
    small, full = config.encoder_at(0.49), config.encoder_at(0.5)
    assert (small.num_points, small.num_groups, small.group_size) == (512, 32, 16)
    assert (full.num_points, full.num_groups, full.group_size) == (1024, 64, 32)
