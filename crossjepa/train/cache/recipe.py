"""What decides the content of a cache."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from crossjepa.datasets import Dataset
from crossjepa.hashing import text_digest
from crossjepa.train.cache.manifest import FORMAT
from crossjepa.train.cache.teacher import Embedding, Teacher
from crossjepa.train.render.views import RenderConfig


@dataclass(frozen=True)
class CacheConfig:
    """Everything that decides what a cache holds, apart from the data.

    Attributes:
        teacher: timm name or local safetensors file.
        embedding: "cls", "patch", "both" or "layers", see `Teacher`.
        render: points, cameras and pictures.
    """

    teacher: str
    embedding: Embedding = "cls"
    render: RenderConfig = field(default_factory=RenderConfig)


def make_recipe(dataset: Dataset, config: CacheConfig, teacher: Teacher) -> dict[str, Any]:
    """Returns everything that decides the content of a cache, except that of files that can be repaired."""
    render = config.render.facts()
    if dataset.views:
        # Pictures that exist are only resized.
        render = {name: render[name] for name in ("image_size", "stored_points", "seed")}
    return {
        "format": FORMAT,
        "teacher": teacher.facts(),
        "render": render,
        "data": dataset.facts(),
        "names": text_digest(dataset.names),
    }


def with_contents(recipe: dict[str, Any], dataset: Dataset, prints: Sequence[int]) -> dict[str, Any]:
    """Returns the recipe of a finished cache, which includes what is in the files, by their fingerprints."""
    return {**recipe, "data": dataset.contents(prints)}


def fitted(config: CacheConfig, dataset: Dataset) -> CacheConfig:
    """Returns a configuration that stores no more points than the objects have."""
    points = config.render.stored_points
    points = min(points, dataset.num_points) if dataset.num_points else points
    return replace(config, render=replace(config.render, stored_points=points))
