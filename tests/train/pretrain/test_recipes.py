"""Recipes as YAML files, and options by name."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from crossjepa.registry import CHECKPOINTS
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.pretrain.config import PretrainConfig, RunOptions
from crossjepa.train.pretrain.recipes import (
    CONFIG_FOLDER,
    SECTIONS,
    load_config,
    options_of,
)
from crossjepa.train.pretrain.trainer import pretrain
from tests.conftest import REPOSITORY
from tests.helpers.small_cache import make_cache

RECIPES = sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml"))
DOCUMENT = REPOSITORY / "docs" / "pretraining.md"
# What differs between a recipe and the record of a run that followed it.
PLACES = ("cache", "init_from", "objects")


def test_recipes_of_the_package_are_documented() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    assert set(RECIPES) <= {row.split("`")[1] for row in rows}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_of_the_package_load_and_hold_what_is_not_at_its_default(name: str) -> None:
    assert load_config(name).model.size == "crossjepa-base"
    usual, given = PretrainConfig().flat(), yaml.safe_load((CONFIG_FOLDER / f"{name}.yaml").read_text())
    assert set(given) <= set(SECTIONS)
    assert [option for option, value in options_of(given).items() if value == usual[option]] == []


@pytest.mark.parametrize(
    ("weights", "recipe"),
    [("crossjepa-base", "bundled-pose"), ("crossjepa-base-modelnet40", "bundled-modelnet40")],
)
def test_recipes_are_those_of_the_released_weights(weights: str, recipe: str) -> None:
    recorded = options_of(CHECKPOINTS[weights].config()["provenance"]["recipe"])
    given = load_config(recipe).flat()
    known = {name: value for name, value in recorded.items() if name not in PLACES}
    assert len(known) > 20
    assert known == {name: given[name] for name in known}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_of_the_package_train(name: str, tmp_path: Path) -> None:
    make_cache(tmp_path / "cache", objects=12)
    small = {"size": "crossjepa-test", "predictor_depth": 1, "occupancy_nodes": 2}
    short = {"steps": 2, "epochs": 0, "batch_size": 4, "views_per_step": 2, "held_out": 2}
    config = load_config(name).change(**small, **short, cache=str(tmp_path / "cache"))
    pretrain(config, tmp_path / "run", RunOptions(device="cpu", progress=False))
    recorded = load_checkpoint(checkpoints(tmp_path / "run")[-1])["recipe"]
    assert {**recorded, "cache": config.data.cache} == {**config.flat(), "objects": 12}


def test_names_of_options_are_unique_over_all_sections() -> None:
    names = [entry.name for kind in SECTIONS.values() for entry in fields(kind)]
    assert len(names) == len(set(names)) == len(PretrainConfig().flat())


def test_sections_and_flat_recipes_of_earlier_versions_are_read_alike(tmp_path: Path) -> None:
    changed = {
        "learning_rate": 2e-3,
        "target_scaling": "whiten",
        "steps": 7,
        "cache": "a folder",
        "jitter": 0,
    }
    config = PretrainConfig.of(**changed)
    for name, values in (("flat", changed), ("full", config.flat()), ("sections", asdict(config))):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values))
        assert load_config(tmp_path / f"{name}.yaml") == config
    (tmp_path / "british.yaml").write_text("target_scaling: standardise\n")
    assert load_config(str(tmp_path / "british.yaml")) == PretrainConfig()
    (tmp_path / "empty.yaml").write_text("optim:\n  # learning_rate: 1.0\nrun:\n  seed: 3\n")
    assert load_config(tmp_path / "empty.yaml") == PretrainConfig.of(seed=3)


def test_options_change_alone() -> None:
    config = load_config("bundled").change(learning_rate=1, gradient_clip=float("inf"), compile=True)
    assert type(config.optim.learning_rate) is float
    expected = {"learning_rate": 1.0, "gradient_clip": float("inf"), "compile": True}
    assert config.flat() == {**load_config("bundled").flat(), **expected}
    with pytest.raises(ValueError, match=r"unknown option\(s\) \['stpes'\]; known are .*'steps'"):
        config.change(stpes=3)


@pytest.mark.parametrize(
    "text", ["run #2/cache", "2024", "@x", "true", "a: b", "[x]", "1e3", "", "null", "-"]
)
def test_names_of_caches_are_taken_as_they_are(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"data": {"cache": text}}))
    assert load_config(tmp_path / "recipe.yaml").data.cache == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("stpes: 3", "unknown option.*stpes"),
        ("run: {stpes: 3}", "section 'run' may hold .*'steps'.*stpes"),
        ("optim: {steps: 3}", "section 'optim' may hold .*'learning_rate'.*steps"),
        ("run: 3", "section 'run' may hold .*not 3"),
        ("run: {steps: 0}", "either steps or epochs"),
        ("data: {batch_size: 0}", "batch_size must be at least 1"),
        ("optim: {learning_rate: 1e-3}", "learning_rate must be of type float, not '1e-3'"),
        ("- 1", "must hold sections"),
        ("1: 2\nsteps: 3", "must hold sections"),
        ("", "must hold sections"),
        ("a: [", "not readable as YAML"),
        ("cache: @x", "not readable as YAML"),
        ("cache: \xff", "not readable as YAML"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "recipe.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=rf"recipe\.yaml: .*{reason}"):
        load_config(tmp_path / "recipe.yaml")


def test_unknown_recipes_are_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"no recipe 'shapenet': .*bundled.*shapenet-paper"):
        load_config("shapenet")


def test_the_command_line_can_be_made_from_a_recipe() -> None:
    """Options without sections, each with its help, on the recipe as the default."""
    tyro: Any = pytest.importorskip("tyro")
    config, flat = load_config("shapenet-paper"), (tyro.conf.OmitArgPrefixes,)
    words = ["--learning-rate", "2e-3", "--views-per-step", "4", "--target-scaling", "center"]
    found = tyro.cli(PretrainConfig, default=config, config=flat, args=words)
    assert found == config.change(learning_rate=2e-3, views_per_step=4, target_scaling="center")
    with redirect_stdout(io.StringIO()) as help, pytest.raises(SystemExit):
        tyro.cli(PretrainConfig, default=config, config=flat, args=["--help"])
    text = help.getvalue()
    assert [name for name in config.flat() if f"--{name.replace('_', '-')}" not in text] == []
    assert "error from which the loss grows" in text
