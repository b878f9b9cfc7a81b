"""Which run a recipe may resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossjepa.train.cache.concat import open_caches
from crossjepa.train.pretrain import PretrainConfig, with_options
from crossjepa.train.pretrain.resume import check_recipe, recorded_recipe

RUN = Path("RUN")


@pytest.fixture
def recipe(config: PretrainConfig) -> dict[str, Any]:
    return recorded_recipe(config, open_caches(config.data.cache))


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
    with pytest.raises(ValueError, match="RUN was started with another contrast_with: resume"):
        check_recipe(RUN, {**recipe, "contrast_with": "cache"}, old)


def test_what_differs_is_named(config: PretrainConfig, recipe: dict[str, Any]) -> None:
    other = recorded_recipe(with_options(config, seed=1, jitter=0.1), open_caches(config.data.cache))
    with pytest.raises(ValueError, match="another cache, jitter, seed:"):
        check_recipe(RUN, {**other, "cache": "x"}, recipe)
