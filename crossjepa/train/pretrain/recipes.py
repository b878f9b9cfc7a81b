"""Recipes as YAML files, and options by their names alone, which are unique over all sections."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from crossjepa.train.pretrain.config import PretrainConfig

CONFIG_FOLDER = Path(__file__).parent / "configs"

SECTIONS: dict[str, Any] = get_type_hints(PretrainConfig)
# The section of every option.
OPTIONS = {entry.name: name for name, kind in SECTIONS.items() for entry in dataclasses.fields(kind)}


def load_config(name: str | os.PathLike[str]) -> PretrainConfig:
    """Reads a recipe.

    Args:
        name: a recipe of the package ("shapenet-paper", "bundled") or the path of a YAML file. Options that
            the file does not name have their default values.

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
        recipe = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not readable as YAML ({error})") from error
    if not isinstance(recipe, Mapping) or not all(isinstance(key, str) for key in recipe):
        raise ValueError(f"{path}: must hold sections of 'option: value' lines")
    try:
        return with_options(PretrainConfig(), **options_of(recipe))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def options_of(recipe: PretrainConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options of a recipe by name, without sections.

    Args:
        recipe: a recipe, or plain values: by section, or flat as in checkpoints and in files of version
            0.1.0, whose British spelling is accepted.

    Raises:
        ValueError: an option is in a section to which it does not belong.
    """
    if isinstance(recipe, PretrainConfig):
        recipe = dataclasses.asdict(recipe)
    options: dict[str, Any] = {}
    for name, value in recipe.items():
        if name not in SECTIONS:
            options[name] = value
            continue
        section = value or {}
        known = [option for option, home in OPTIONS.items() if home == name]
        if not isinstance(section, Mapping) or not set(section) <= set(known):
            raise ValueError(f"section {name!r} may hold {known}, not {value!r}")
        options |= section
    if options.get("target_scaling") == "standardise":
        options["target_scaling"] = "standardize"
    return options


def with_options(config: PretrainConfig, **options: Any) -> PretrainConfig:
    """Returns a recipe with other values of some options, whichever sections they are in.

    Args:
        config: the recipe.
        options: values by name; integers may stand for floats.

    Raises:
        ValueError: an option is unknown or a value invalid; the message names it.
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise ValueError(f"unknown option(s) {unknown}; known are {sorted(OPTIONS)}")
    changes: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        section = OPTIONS[name]
        if type(value) is int and get_type_hints(SECTIONS[section])[name] is float:
            value = float(value)
        changes.setdefault(section, {})[name] = value
    sections = {name: dataclasses.replace(getattr(config, name), **changes[name]) for name in changes}
    return dataclasses.replace(config, **sections)
