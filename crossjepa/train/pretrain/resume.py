"""What a run is resumed with, and which run a recipe may resume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossjepa.train.cache import Cache
from crossjepa.train.cache.concat import JoinedCaches
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.recipes import options_of


def recorded_recipe(config: PretrainConfig, cache: Cache | JoinedCaches) -> dict[str, Any]:
    """Returns everything that determines the result by name, with the cache by its content, not its path."""
    return {**options_of(config), "cache": cache.hash, "objects": len(cache)}


def check_recipe(run: Path, recipe: Mapping[str, Any], recorded: Mapping[str, Any]) -> None:
    """Checks that a run was started with a recipe.

    Args:
        run: folder of the run.
        recipe: the recipe, as `recorded_recipe` returns it.
        recorded: that of the run's checkpoint. Options that an older version did not know had their defaults.

    Raises:
        ValueError: the run was started with another recipe; the message names the options that differ.
    """
    before = {**options_of(PretrainConfig()), **options_of(recorded)}
    changed = sorted(name for name in recipe if recipe[name] != before.get(name))
    if changed:
        raise ValueError(
            f"{run} was started with another {', '.join(changed)}: resume it with the same recipe, or choose "
            "another folder"
        )
