"""Making a cache: every object is rendered and embedded once, by as many processes as there are.

V views, P stored points, D teacher width
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing.spawn import ProcessException, spawn

from crossjepa.files import lock_file, locked
from crossjepa.io import PointCloudError
from crossjepa.train.cache.ranks import Ranks
from crossjepa.train.cache.store import (
    FORMAT,
    MANIFEST,
    Cache,
    finish_cache,
    open_cache,
    partial_folder,
    recipe_hash,
    start_cache,
)
from crossjepa.train.render import rig
from crossjepa.train.sources.collection import Collection, digest
from crossjepa.train.teacher import Embedding, Teacher
from crossjepa.train.views import RenderConfig, make_views

logger = logging.getLogger(__name__)

ERRORS = "errors"


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


@dataclass(frozen=True)
class Share:
    """Which rows a process makes: every `parts`-th one from `part`."""

    part: int = 0
    parts: int = 1


def make_cache(
    collection: Collection,
    folder: str | os.PathLike[str],
    config: CacheConfig,
    *,
    workers: int = 1,
    device: str = "cpu",
    skip_bad: bool = False,
    progress: bool = True,
) -> Cache | None:
    """Makes a cache, or goes on with an unfinished one of the same recipe.

    Under torchrun every rank makes its share of the rows; the last one to end finishes the cache.

    Args:
        collection: the objects.
        folder: where the finished cache shall be.
        config: pictures and teacher.
        workers: processes of this rank; one of them works in this process.
        device: of the teacher and the renderer.
        skip_bad: leave out objects that cannot be used instead of refusing to finish.
        progress: show how many objects are done and how long the rest will take.

    Returns:
        The finished cache, None where other ranks are still at work.

    Raises:
        ValueError: objects cannot be used, or a cache of another recipe is in the way.
    """
    folder, ranks = Path(folder), Ranks()
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    teacher = Teacher(config.teacher, config.render.image_size, device, embedding=config.embedding)
    config = _fitted(config, collection)
    recipe = make_recipe(collection, config, teacher)
    finished_recipe = _with_contents(recipe, collection)
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        finished = _finished(folder, finished_recipe)
        if finished is not None:
            return finished
        start_cache(
            folder,
            collection.names,
            recipe,
            views=collection.views or len(rig(config.render.rig)),
            points=config.render.stored_points,
            width=teacher.width,
            parts=teacher.parts,
            about={"timm": teacher.timm_version},
            finished=finished_recipe,
        )
    run = _Run(folder, collection, config, device, progress and ranks.rank == 0)
    if workers == 1:
        with _one_thread(device):
            run.work(Share(ranks.rank, ranks.world), teacher)
    else:
        del teacher
        run.spawn(workers, ranks.rank, ranks.world)
    # Until all have ended some rows have yet to be tried, whatever notes of an earlier run say of them.
    is_last = ranks.is_last(str(folder.absolute()))
    finished_recipe = _with_contents(recipe, collection)
    with locked(folder):
        if is_last and not folder.exists():
            _finish(folder, collection, finished_recipe, skip_bad)
        return _finished(folder, finished_recipe)


def default_workers(device: str) -> int:
    """Returns how many processes to start: one for a GPU or a rank of torchrun, else one a CPU, up to 8."""
    if device != "cpu" or "RANK" in os.environ:
        return 1
    available = getattr(os, "sched_getaffinity", None)
    return min(len(available(0)) if available else os.cpu_count() or 1, 8)


def make_recipe(collection: Collection, config: CacheConfig, teacher: Teacher) -> dict[str, Any]:
    """Returns everything that decides the content of a cache, but for files that can be repaired."""
    render = asdict(config.render)
    if collection.views:
        # Pictures that exist are only resized.
        render = {name: render[name] for name in ("image_size", "stored_points", "seed")}
    return {
        "format": FORMAT,
        "teacher": teacher.facts(),
        "render": render,
        "data": dict(collection.facts),
        "names": digest(collection.names),
    }


def _with_contents(recipe: dict[str, Any], collection: Collection) -> dict[str, Any]:
    """Returns the recipe of a finished cache, which names what is in the files by now."""
    return {**recipe, "data": dict(collection.contents())}


def _fitted(config: CacheConfig, collection: Collection) -> CacheConfig:
    """No more points are stored than there are."""
    points = config.render.stored_points
    points = min(points, collection.points) if collection.points else points
    return CacheConfig(
        config.teacher, config.embedding, RenderConfig(**{**asdict(config.render), "stored_points": points})
    )


def _finished(folder: Path, recipe: dict[str, Any]) -> Cache | None:
    """Returns the cache where it is finished, and removes what is left of making it.

    Raises:
        ValueError: it is of another recipe.
    """
    if not folder.exists():
        return None
    if not (folder / MANIFEST).is_file():
        raise ValueError(f"{folder}: is there already, and no cache")
    cache = open_cache(folder)
    found = cache.manifest.get("recipe_hash")
    if found != recipe_hash(recipe):
        raise ValueError(
            f"{folder}: is a cache of another recipe or of files that have changed ({found}); remove it or "
            "change the name"
        )
    shutil.rmtree(partial_folder(folder), ignore_errors=True)
    # Whoever waits for the lock, or makes a new one, will find the finished cache.
    lock_file(folder).unlink(missing_ok=True)
    return cache


def _finish(folder: Path, collection: Collection, recipe: dict[str, Any], skip_bad: bool) -> None:
    partial = partial_folder(folder)
    unfinished = open_cache(partial, writable=True)
    done_S = unfinished.done_S
    errors = {int(path.name): path.read_text() for path in (partial / ERRORS).glob("[0-9]*")}
    errors = {row: message for row, message in sorted(errors.items()) if not done_S[row]}
    if errors and not skip_bad:
        shown = "\n  ".join(list(errors.values())[:5])
        raise ValueError(
            f"{folder}: {len(errors)} of {len(done_S)} objects cannot be used; repair them and run again, or "
            f"leave them out with --skip-bad:\n  {shown}"
        )
    if len(errors) == len(done_S):
        raise ValueError(f"{folder}: no object can be used: {next(iter(errors.values()))}")
    changed = unfinished.changed_rows(collection.fingerprint)
    if changed:
        raise ValueError(
            f"{folder}: {len(changed)} files have changed while they were cached, such as "
            f"{collection.names[changed[0]]}; run the same command again"
        )
    shutil.rmtree(partial / ERRORS, ignore_errors=True)
    finish_cache(folder, leave_out=list(errors), recipe=recipe)


@dataclass(frozen=True)
class _Run:
    """The work at one cache, in this process or in several."""

    folder: Path
    collection: Collection
    config: CacheConfig
    device: str
    progress: bool

    def spawn(self, workers: int, rank: int, world: int) -> None:
        """Starts processes and shows their progress."""
        context = spawn(  # type: ignore[no-untyped-call]
            _work, (self, rank, world, workers), nprocs=workers, join=False
        )
        done_S = open_cache(partial_folder(self.folder), writable=True).done_S
        with _bar(self.progress, len(done_S), int(done_S.sum())) as bar:
            try:
                while not context.join(timeout=1):
                    bar.update(int(done_S.sum()) - bar.n)
            except ProcessException as error:
                reason = str(error).strip().splitlines()[-1]
                raise ChildProcessError(f"{self.folder}: a worker ended: {reason}") from error

    def work(self, share: Share, teacher: Teacher) -> None:
        """Makes the rows of a share that are missing, and those that cannot stay as they are."""
        cache = open_cache(partial_folder(self.folder), writable=True)
        mine = (share.part, share.parts)
        cache.done_S[cache.damaged_rows(*mine) + cache.bad_rows(*mine)] = False
        cache.done_S[cache.changed_rows(self.collection.fingerprint, *mine)] = False
        rows = list(cache.missing_rows(share.part, share.parts))
        shown = self.progress and share.part == 0 and parent_process() is None
        with _bar(shown, len(cache), int(cache.done_S.sum())) as bar:
            for row in rows:
                self._make_row(cache, row, teacher)
                bar.update(int(cache.done_S.sum()) - bar.n)
                parent = parent_process()
                if parent is not None and not parent.is_alive():
                    return

    def _make_row(self, cache: Cache, row: int, teacher: Teacher) -> None:
        note = partial_folder(self.folder) / ERRORS / str(row)
        note.unlink(missing_ok=True)
        try:
            source = self.collection.fingerprint(row)
            views = make_views(self.collection[row], row, self.config.render, self.device)
            embeddings_VD = teacher.embed(views.images_VHW3).numpy()
            cache.write_row(
                row, embeddings_VD, views.poses_V5, views.histograms_VH, views.points_P3, source=source
            )
        except (PointCloudError, ValueError, OSError) as error:
            note.parent.mkdir(exist_ok=True)
            name = self.collection.names[row]
            note.write_text(str(error) if isinstance(error, PointCloudError) else f"{name}: {error}")


def _work(worker: int, run: _Run, rank: int, world: int, workers: int) -> None:
    """One of several processes."""
    config = run.config
    with _one_thread(run.device):
        teacher = Teacher(config.teacher, config.render.image_size, run.device, embedding=config.embedding)
        run.work(Share(rank * workers + worker, world * workers), teacher)


@contextmanager
def _one_thread(device: str) -> Iterator[None]:
    """On a CPU every process has one thread, so that rows do not depend on how many there are."""
    threads = torch.get_num_threads()
    try:
        if device == "cpu":
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(threads)


def _bar(show: bool, total: int, done: int) -> Any:
    """A bar with the time left; in a log, where lines are not overwritten, a line every half minute."""
    from tqdm.auto import tqdm

    interval = 0.5 if sys.stderr.isatty() else 30.0
    return tqdm(
        total=total, initial=done, unit="object", desc="cache", disable=not show, mininterval=interval
    )
