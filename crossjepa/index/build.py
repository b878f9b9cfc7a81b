"""Makes an index of files and keeps it up to date.

B files of a batch, V views of each, D width of view embeddings
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from crossjepa.batching import prepare_each, with_progress
from crossjepa.config import Axis, TeacherConfig
from crossjepa.defaults import AZIMUTHS, ELEVATIONS
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.errors import PointCloudError, SearchIndexError, WeightsError
from crossjepa.hashing import file_digest
from crossjepa.index.table import IndexFacts, IndexTables, ShapeRows, is_index
from crossjepa.locks import in_use
from crossjepa.model import CrossJEPA
from crossjepa.model_files import weights_digest
from crossjepa.processor import Prepared


@dataclass(frozen=True)
class ViewGrid:
    """Poses from which every shape is predicted: each azimuth with each elevation, in degrees."""

    azimuths: tuple[float, ...] = AZIMUTHS
    elevations: tuple[float, ...] = ELEVATIONS

    def poses(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Returns azimuth and elevation of each of the V views."""
        pairs = [(azimuth, elevation) for elevation in self.elevations for azimuth in self.azimuths]
        return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


@dataclass
class IndexReport:
    """What `build_index` did.

    Attributes:
        added: files that were encoded and are new in the index.
        changed: files that were encoded again.
        unchanged: number of files that were in the index as they are.
        removed: files that were removed from it.
        errors: why other files could not be encoded.
        total: files in the index.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    errors: list[PointCloudError] = field(default_factory=list)
    total: int = 0


class IndexedModel:
    """The model of an index: features and predicted views as its rows have them.

    Args:
        name: weights, as `from_pretrained` takes them.
        views: whether views are predicted, for which the weights must have a predictor.
        teacher: of weights with several teachers, the one whose embeddings are predicted; "" for the first.
        device: where to run.
    """

    def __init__(self, name: str, *, views: bool = True, teacher: str = "", device: str = "cpu") -> None:
        self.name = name
        self.model = CrossJEPA.from_pretrained(name, device=device) if views else None
        self.encoder = (
            self.model.encoder if self.model else CrossJEPAEncoder.from_pretrained(name, device=device)
        )
        self.teacher_name = teacher

    @property
    def teacher(self) -> TeacherConfig | None:
        """The image model whose embeddings of views are predicted; None without views.

        Raises:
            WeightsError: the weights did not learn from a teacher of that name.
        """
        if self.model is None:
            return None
        known = {each.name: each for each in self.model.prediction.each_teacher}
        if self.teacher_name and self.teacher_name not in known:
            raise WeightsError(self.name, f"predicts views of {', '.join(known)}, not of {self.teacher_name}")
        return known.get(self.teacher_name) or next(iter(known.values()))

    def digest(self) -> str:
        """Returns what changes if features or views would."""
        config = self.encoder.similarity_config
        text = weights_digest(self.model or self.encoder) + repr(config)
        return hashlib.sha256(text.encode()).hexdigest()

    def compare_views(self, views_nD: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the (n, D) view embeddings, predicted or of pictures, as cosines compare them."""
        return np.asarray(views_nD / np.linalg.norm(views_nD, axis=-1, keepdims=True))

    def features(self, clouds: Sequence[Prepared]) -> NDArray[np.float32]:
        """Returns the (B, E) standardized features of unit length of some clouds."""
        return self.encoder.standardize(self.encoder.encode(clouds, progress=False))

    def predict_views(
        self,
        clouds: Sequence[Prepared],
        azimuths: Sequence[float],
        elevations: Sequence[float],
        histogram_H: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Returns the (B, V, D) predicted embeddings of views of some clouds, V of each."""
        teacher = self.teacher
        if self.model is None or teacher is None:
            return np.zeros((len(clouds), 0, 1), np.float32)
        found_BVD = np.zeros((len(clouds), len(azimuths), teacher.width), np.float32)
        poses = [torch.tensor(list(each)) for each in (azimuths, elevations)]
        for rows in _of_one_size(clouds):
            points_BN3 = torch.stack([clouds[row].points for row in rows])
            azimuth_BV, elevation_BV = (each_V.expand(len(rows), -1) for each_V in poses)
            found = self.model.predict_view(
                points_BN3, azimuth_BV, elevation_BV, histogram=histogram_H, teacher=teacher.name
            )
            found_BVD[rows] = found.cpu().numpy()
        return found_BVD


def build_index(
    files: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    model: str = "crossjepa-base",
    *,
    grid: ViewGrid | None = ViewGrid(),
    teacher: str = "",
    up_axis: Axis | None = None,
    batch_size: int = 16,
    device: str = "cpu",
    progress: bool | None = None,
) -> IndexReport:
    """Adds files to an index, which is made if there is none; only new and changed ones are encoded.

    A run that is killed continues where it stopped when it is started again.

    Args:
        files: clouds and meshes.
        folder: folder of the index.
        model: weights, as `from_pretrained` takes them.
        grid: poses of the predicted views; None for an index of shapes alone.
        teacher: of weights with several teachers, the one whose view embeddings are stored; "" for the first.
        up_axis: the axis that points up in the files; that of the weights by default.
        batch_size: files that are encoded and written together.
        device: where to run.
        progress: show a progress bar; by default for more than four batches.

    Returns:
        What was done.

    Raises:
        SearchIndexError: the index has other weights, poses or axes; nothing was changed.
        WeightsError: the weights cannot be loaded, or views are asked of weights without a predictor.
        ImportError: LanceDB is not installed.
        FolderInUseError: another run on this machine writes to the index.
    """
    azimuths, elevations = grid.poses() if grid else ((), ())
    indexed = IndexedModel(model, views=grid is not None, teacher=teacher, device=device)
    name = indexed.teacher.name if indexed.teacher else ""
    facts = IndexFacts(model, indexed.digest(), up_axis or "", name, azimuths, elevations)
    report, target = IndexReport(), Path(folder)
    with in_use(target):
        tables = _open_or_create(target, facts, indexed)
        known = tables.digests()
        wanted = list(_new_or_changed(files, known, report))
        starts = range(0, len(wanted), batch_size)
        for start in with_progress(starts, 4, progress, "index", unit="batch"):
            _add(tables, indexed, dict(wanted[start : start + batch_size]), known, report, up_axis)
        if wanted:
            tables.optimize()
        report.total = len(tables)
    return report


def remove_from_index(folder: str | os.PathLike[str], files: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Removes files from an index; returns those that were in it.

    Args:
        folder: folder of the index.
        files: files, or folders for all files below them, whether they still exist or not.
    """
    with in_use(folder):
        tables = IndexTables.open(Path(folder))
        asked = [os.path.abspath(name) for name in files]  # noqa: PTH100
        found = [name for name in tables.digests() if any(_is_below(name, each) for each in asked)]
        tables.remove(found)
        if found:
            tables.optimize()
    return found


def prune_index(folder: str | os.PathLike[str]) -> list[str]:
    """Removes the files that no longer exist from an index; returns them."""
    tables = IndexTables.open(Path(folder))
    return remove_from_index(folder, [name for name in tables.digests() if not Path(name).exists()])


def _is_below(name: str, place: str) -> bool:
    return name == place or name.startswith(place.rstrip(os.sep) + os.sep)


def _open_or_create(folder: Path, facts: IndexFacts, indexed: IndexedModel) -> IndexTables:
    if not is_index(folder):
        width = indexed.predict_views([], facts.azimuths, facts.elevations).shape[2]
        return IndexTables.create(folder, facts, indexed.encoder.embedding_width(), width)
    tables = IndexTables.open(folder)
    check_weights(tables, indexed)
    for name in ("up_axis", "teacher", "azimuths", "elevations"):
        if getattr(tables.facts, name) != getattr(facts, name):
            raise SearchIndexError(
                folder,
                f"was made with {name} {getattr(tables.facts, name)!r}, not {getattr(facts, name)!r}: "
                "use the same, or make another index",
            )
    return tables


def check_weights(tables: IndexTables, indexed: IndexedModel) -> None:
    """Refuses an index of other weights.

    Raises:
        SearchIndexError: its features or views would not be those of this model.
    """
    if tables.facts.weights_sha256 != indexed.digest():
        raise SearchIndexError(
            tables.folder,
            f"was made with other weights (then called {tables.facts.model}) than {indexed.name} now is: "
            "make the index again",
        )


def _new_or_changed(
    files: Iterable[str | os.PathLike[str]], known: dict[str, str], report: IndexReport
) -> Iterator[tuple[str, str]]:
    """Yields name and digest of every file that must be encoded."""
    for given in dict.fromkeys(os.path.abspath(each) for each in files):  # noqa: PTH100
        try:
            digest = file_digest(Path(given))
        except OSError as error:
            report.errors.append(PointCloudError(given, f"cannot be read ({error.strerror or error})"))
            continue
        if known.get(given) == digest:
            report.unchanged += 1
        else:
            yield given, digest


def _add(
    tables: IndexTables,
    indexed: IndexedModel,
    batch: dict[str, str],
    known: dict[str, str],
    report: IndexReport,
    up_axis: Axis | None,
) -> None:
    """Encodes some files and adds them."""
    failed = dict[int, PointCloudError]()
    prepared = list(
        prepare_each(list(batch), indexed.encoder.processor, up_axis=up_axis, on_error=failed.__setitem__)
    )
    report.errors += failed.values()
    clouds = [cloud for cloud in prepared if cloud is not None]
    names = [name for name, cloud in zip(batch, prepared, strict=True) if cloud is not None]
    tables.remove(name for row, name in enumerate(batch) if row in failed and name in known)
    if not clouds:
        return
    rows = ShapeRows(
        names,
        [batch[name] for name in names],
        np.array([len(cloud.original) for cloud in clouds], np.int64),
        indexed.features(clouds),
        indexed.compare_views(indexed.predict_views(clouds, tables.facts.azimuths, tables.facts.elevations)),
    )
    tables.add(rows)
    for name in names:
        (report.changed if name in known else report.added).append(name)


def _of_one_size(clouds: Sequence[Prepared]) -> list[list[int]]:
    """Returns the rows of clouds of the same number of points, for each number."""
    sizes: dict[int, list[int]] = {}
    for row, cloud in enumerate(clouds):
        sizes.setdefault(len(cloud.points), []).append(row)
    return list(sizes.values())
