"""Which run a recipe may resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossjepa.train.cache.concat import open_caches
from crossjepa.train.pretrain import PretrainConfig
from crossjepa.train.pretrain.recipes import check_recipe
from tests.helpers.runs import make_trainer

RUN = Path("RUN")


@pytest.fixture
def recipe(config: PretrainConfig, tmp_path: Path) -> dict[str, Any]:
    return make_trainer(config, tmp_path / "run").recipe


def test_recorded_is_the_content_of_the_cache_not_its_place(
    config: PretrainConfig, recipe: dict[str, Any]
) -> None:
    cache = open_caches(config.data.cache)
    assert (recipe["cache"], recipe["objects"]) == (cache.hash, 28)
    assert recipe["learning_rate"] == 3e-3
    check_recipe(RUN, recipe, recipe)


def test_recipes_of_version_0_1_0_resume(recipe: dict[str, Any]) -> None:
    """They were flat, in British spelling, and earlier ones knew fewer options."""
    old = {name: value for name, value in recipe.items() if name not in ("contrast_with", "frozen_steps")}
    check_recipe(RUN, recipe, {**old, "target_scaling": "standardise"})
    with pytest.raises(ValueError, match="RUN was started with other values of contrast_with: resume"):
        check_recipe(RUN, {**recipe, "contrast_with": "cache"}, old)


def test_what_differs_is_named(config: PretrainConfig, recipe: dict[str, Any], tmp_path: Path) -> None:
    other = make_trainer(config.change(seed=1, jitter=0.1), tmp_path / "other").recipe
    with pytest.raises(ValueError, match="other values of cache, jitter, seed:"):
        check_recipe(RUN, {**other, "cache": "x"}, recipe)
