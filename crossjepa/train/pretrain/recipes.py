"""Recipes as YAML files and as checkpoints record them."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from crossjepa.train.pretrain.config import PretrainConfig

CONFIG_FOLDER = Path(__file__).parent / "configs"

SECTIONS: dict[str, Any] = get_type_hints(PretrainConfig)


def load_config(name: str | os.PathLike[str]) -> PretrainConfig:
    """Reads a recipe.

    Args:
        name: a recipe of the package, such as "bundled" or "shapenet-paper", or the path of a YAML file.
            Options that the file does not name have their default values.

    Raises:
        FileNotFoundError: there is no such recipe; the message lists those of the package.
        ValueError: an option is unknown or a value invalid; the message names the file and the option.
    """
    known = sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml"))
    path = CONFIG_FOLDER / f"{name}.yaml" if name in known else Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"no recipe {os.fspath(name)!r}: give the path of a YAML file or one of {known}"
        )
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not readable as YAML ({error})") from error
    if not isinstance(recipe, Mapping) or not all(isinstance(key, str) for key in recipe):
        raise ValueError(f"{path}: must hold sections of 'option: value' lines")
    try:
        return PretrainConfig.of(**options_of(recipe))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def options_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options of a stored recipe by name, without sections.

    Args:
        recipe: plain values: by section, or flat as in checkpoints and in files of version 0.1.0, whose
            British spelling is accepted.

    Raises:
        ValueError: an option is in a section to which it does not belong.
    """
    options: dict[str, Any] = {}
    for name, value in recipe.items():
        if name not in SECTIONS:
            options[name] = value
            continue
        section, known = value or {}, [entry.name for entry in dataclasses.fields(SECTIONS[name])]
        if not isinstance(section, Mapping) or not set(section) <= set(known):
            raise ValueError(f"section {name!r} may hold {known}, not {value!r}")
        options |= section
    if options.get("target_scaling") == "standardise":
        options["target_scaling"] = "standardize"
    return options


def check_recipe(run: Path, recipe: Mapping[str, Any], recorded: Mapping[str, Any]) -> None:
    """Checks that a run was started with a recipe.

    Args:
        run: folder of the run.
        recipe: the recipe, as `Trainer.recipe` has it.
        recorded: that of the run's checkpoint. Options that an older version did not know had their defaults.

    Raises:
        ValueError: the run was started with another recipe; the message names the options that differ.
    """
    before = {**PretrainConfig().flat(), **options_of(recorded)}
    changed = sorted(name for name in recipe if recipe[name] != before.get(name))
    if changed:
        raise ValueError(
            f"{run} was started with other values of {', '.join(changed)}: resume it with the "
            "same recipe, or choose another folder"
        )
