"""Finds shapes in an index: by a shape, by a picture, or those that are nearly the same.

n files, V views, E embedding width, D width of view embeddings, H histogram bins, S side of a picture
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.batching import prepare_each
from crossjepa.config import Axis
from crossjepa.defaults import DUPLICATE_SIMILARITY
from crossjepa.errors import PointCloudError, SearchIndexError
from crossjepa.index.build import IndexedModel, check_weights
from crossjepa.index.duplicates import group_duplicates
from crossjepa.index.pictures import Picture, read_picture
from crossjepa.index.table import IndexTables
from crossjepa.processor import Input
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.render.views import RenderConfig

IMAGE_SIZE = RenderConfig().image_size


@dataclass(frozen=True)
class Match:
    """A shape that was found.

    Attributes:
        file: the file.
        similarity: cosine of standardized features, or of view embeddings, from -1 to 1.
        columns: what the index knows of the file: folder, suffix, digest and points.
        azimuth: degrees about the vertical axis from which the picture shows the shape; None without one.
        elevation: degrees above the horizon.
    """

    file: str
    similarity: float
    columns: dict[str, Any]
    azimuth: float | None = None
    elevation: float | None = None


class ShapeIndex:
    """An index that is searched.

    Args:
        folder: folder of the index, made by `build_index` or `crossjepa index`.
        model: weights, if they are no longer where they were when the index was made.
        device: where to encode queries.

    Raises:
        SearchIndexError: there is no index, or it was made with other weights.
    """

    def __init__(
        self, folder: str | os.PathLike[str], model: str | None = None, *, device: str = "cpu"
    ) -> None:
        self.tables = IndexTables.open(Path(folder))
        facts = self.tables.facts
        name, views = model or facts.model, bool(facts.azimuths)
        self.model = IndexedModel(name, views=views, teacher=facts.teacher, device=device)
        check_weights(self.tables, self.model)

    def __len__(self) -> int:
        return len(self.tables)

    @property
    def up_axis(self) -> Axis:
        """The axis that points up in the files."""
        return self.tables.facts.up_axis or self.model.encoder.processor.config.up_axis

    def search(
        self,
        shape: Input,
        top: int = 12,
        *,
        where: str = "",
        up_axis: Axis | None = None,
        exact: bool = False,
    ) -> list[Match]:
        """Finds the shapes most similar to one.

        Args:
            shape: a file, array, `PointCloud` or `Mesh`.
            top: shapes at most.
            where: SQL condition on the columns `file`, `folder` (name of the folder that a file is in),
                `suffix`, `digest` and `points`, such as "folder = 'chairs' AND points > 500".
            up_axis: the axis that points up in the shape; that of the index by default.
            exact: compare with all shapes even if the index is large enough for approximate search.

        Returns:
            The matches, best first.

        Raises:
            PointCloudError: the shape cannot be used.
            SearchIndexError: the condition is not valid.
        """
        prepared = list(prepare_each([shape], self.model.encoder.processor, up_axis=up_axis or self.up_axis))
        query_E = self.model.features([cloud for cloud in prepared if cloud])[0]
        rows = self.tables.nearest(self.tables.shapes, query_E, top, where, exact)
        return [_match(row) for row in rows]

    def search_picture(
        self,
        picture: str | os.PathLike[str] | Picture,
        teacher: Teacher | str = "",
        top: int = 12,
        *,
        where: str = "",
        refine: int = 0,
        exact: bool = False,
    ) -> list[Match]:
        """Finds the shapes, and the poses, whose predicted views look most like a picture.

        Args:
            picture: a file, see `read_picture`, or what that returns.
            teacher: the image model that the weights learned from: timm name, or local
                ARCHITECTURE.safetensors; by default the timm name that the index has. For many pictures, load
                it once by `load_teacher`.
            top: shapes at most.
            where: as for `search`.
            refine: the best so many shapes are read again, and their views are predicted with the colors of
                the picture, which the stored ones do not know; 0 to take these as they are.
            exact: as for `search`.

        Returns:
            The matches with their poses, best first.

        Raises:
            PointCloudError: the picture cannot be used.
            SearchIndexError: the index has no views, or the teacher is another one.
        """
        if isinstance(teacher, str):
            teacher = self.load_teacher(teacher)
        if not isinstance(picture, Picture):
            picture = read_picture(picture, teacher.image_size)
        query_D = self.model.compare_views(teacher.embed(picture.image_SS3[None]).numpy())[0]
        shapes, views = max(top, refine), len(self.tables.facts.azimuths)
        rows = self.tables.nearest(self.tables.views, query_D, shapes * views, where, exact)
        best: dict[str, dict[str, Any]] = {}
        for row in rows:
            best.setdefault(row["file"], row)
        found = list(best.values())[:shapes]
        if refine:
            self._refine(found, query_D, picture.histogram_H)
        return [_match(row) for row in sorted(found, key=lambda row: -row["similarity"])[:top]]

    def load_teacher(self, name: str = "", device: str = "cpu") -> Teacher:
        """Loads the image model whose embeddings the views of the index are.

        Args:
            name: timm name, or local ARCHITECTURE.safetensors; by default the name that the index has.
            device: where to run.

        Raises:
            SearchIndexError: the index has no views, or its weights learned from another teacher.
        """
        wanted = self.model.teacher
        if wanted is None:
            raise SearchIndexError(self.tables.folder, "has no views: make it again without --no-views")
        name = name or wanted.name
        teacher = Teacher(name, IMAGE_SIZE, device, embedding=wanted.embedding)  # type: ignore[arg-type]
        if wanted.weights_sha256 not in ("", teacher.weights_sha256):
            raise SearchIndexError(
                self.tables.folder,
                f"holds views of the teacher {wanted.name}, not of {name}: their weights differ",
            )
        return teacher

    def duplicates(self, similarity: float = DUPLICATE_SIMILARITY) -> list[list[tuple[str, float]]]:
        """Returns groups of files whose features are nearly the same.

        Args:
            similarity: cosine from which on two files count as the same object.

        Returns:
            Groups of at least two files, each with its largest cosine to another one of its group; files are
            connected through others.
        """
        files, vectors_nE = self.tables.vectors()
        return group_duplicates(files, vectors_nE, similarity)

    def _refine(
        self, rows: Sequence[dict[str, Any]], query_D: NDArray[np.float32], histogram_H: NDArray[np.float32]
    ) -> None:
        """Gives rows the similarity and pose of views that are predicted with the colors of the picture.

        A file that is gone keeps those of its stored views.
        """
        facts = self.tables.facts
        errors = dict[int, PointCloudError]()
        clouds = prepare_each(
            [row["file"] for row in rows], self.model.encoder.processor,
            up_axis=self.up_axis, on_error=errors.__setitem__,
        )  # fmt: skip
        for row, cloud in zip(rows, clouds, strict=True):
            if cloud is None:
                continue
            predicted_VD = self.model.predict_views([cloud], facts.azimuths, facts.elevations, histogram_H)[0]
            cosine_V = self.model.compare_views(predicted_VD) @ query_D
            view = int(cosine_V.argmax())
            row["similarity"] = float(cosine_V[view])
            row["azimuth"], row["elevation"] = facts.azimuths[view], facts.elevations[view]


def _match(row: dict[str, Any]) -> Match:
    facts = {name: row[name] for name in row if name in ("folder", "suffix", "digest", "points")}
    return Match(row["file"], row["similarity"], facts, row.get("azimuth"), row.get("elevation"))
