"""What decides the content of a cache."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from crossjepa.datasets import Dataset
from crossjepa.hashing import text_digest
from crossjepa.train.cache.dense import DenseConfig, dense_facts
from crossjepa.train.cache.manifest import FORMAT
from crossjepa.train.cache.teacher import Embedding, Teacher
from crossjepa.train.cache.teachers import Teachers
from crossjepa.train.render.views import RenderConfig


@dataclass(frozen=True)
class CacheConfig:
    """Everything that decides what a cache holds, apart from the data.

    Attributes:
        teacher: timm name or local safetensors file, or several, which all embed the same pictures.
        embedding: "cls", "patch", "both" or "layers", see `Teacher`; one for all teachers or one for each.
        render: points, cameras and pictures.
        dense: targets at points of the objects, None for none.

    Raises:
        ValueError: there is no teacher, the number of embeddings fits neither one nor all teachers, or there
            are dense targets at more points than are stored.
    """

    teacher: str | Sequence[str]
    embedding: Embedding | Sequence[Embedding] = "cls"
    render: RenderConfig = field(default_factory=RenderConfig)
    dense: DenseConfig | None = None

    def __post_init__(self) -> None:
        teachers, embeddings = _several(self.teacher), _several(self.embedding)
        if not teachers:
            raise ValueError("no teacher is given")
        if len(embeddings) not in (1, len(teachers)):
            raise ValueError(
                f"{len(embeddings)} embeddings for {len(teachers)} teachers: give one for all or one for each"
            )
        if self.dense and self.dense.points > self.render.stored_points:
            raise ValueError(
                f"dense targets at {self.dense.points} points, but only {self.render.stored_points} points "
                "are stored"
            )

    @property
    def teachers(self) -> list[tuple[str, Embedding]]:
        """Name or file and embedding of every teacher."""
        teachers, embeddings = _several(self.teacher), _several(self.embedding)
        return list(zip(teachers, embeddings * (len(teachers) // len(embeddings)), strict=True))


def _several(given: str | Sequence[Any]) -> list[Any]:
    return [given] if isinstance(given, str) else list(given)


def make_recipe(dataset: Dataset, config: CacheConfig, teacher: Teacher | Teachers) -> dict[str, Any]:
    """Returns everything that decides the content of a cache, except that of files that can be repaired."""
    render = config.render.facts()
    if dataset.views:
        # Pictures that exist are only resized.
        render = {name: render[name] for name in ("image_size", "stored_points", "seed")}
    dense = {"dense": dense_facts(config.dense)} if config.dense else {}
    return {
        "format": FORMAT,
        "teacher": teacher.facts(),
        "render": render,
        "data": dataset.facts(),
        "names": text_digest(dataset.names),
        **dense,
    }


def with_contents(recipe: dict[str, Any], dataset: Dataset, prints: Sequence[int]) -> dict[str, Any]:
    """Returns the recipe of a finished cache, which includes what is in the files, by their fingerprints."""
    return {**recipe, "data": dataset.contents(prints)}


def fitted(config: CacheConfig, dataset: Dataset) -> CacheConfig:
    """Returns a configuration that stores no more points than the objects have."""
    points = config.render.stored_points
    points = min(points, dataset.num_points) if dataset.num_points else points
    dense = config.dense and replace(config.dense, points=min(config.dense.points, points))
    return replace(config, render=replace(config.render, stored_points=points), dense=dense)
