"""Making a cache: every object is rendered and embedded once, by one or more processes.

S objects
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from crossjepa.datasets import Dataset
from crossjepa.hashing import recipe_hash
from crossjepa.locks import in_use, lock_file, locked
from crossjepa.scale.ray_engine import RayConfig
from crossjepa.train.cache.cache import Cache, open_cache
from crossjepa.train.cache.dense import ensure_basis, require_renderer
from crossjepa.train.cache.layout import finish_cache, start_cache
from crossjepa.train.cache.manifest import MANIFEST, partial_folder
from crossjepa.train.cache.on_ray import work_on_ray
from crossjepa.train.cache.ranks import Ranks
from crossjepa.train.cache.recipe import CacheConfig, fitted, make_recipe, with_contents
from crossjepa.train.cache.teachers import first_teacher, load_teachers
from crossjepa.train.cache.work import ERRORS, Run, one_thread
from crossjepa.train.common.distributed import own_device
from crossjepa.train.render import rig
from crossjepa.workers import cpu_count


def make_cache(
    dataset: Dataset,
    folder: str | os.PathLike[str],
    config: CacheConfig,
    *,
    workers: int = 1,
    device: str = "cpu",
    skip_bad: bool = False,
    progress: bool = True,
    cluster: RayConfig | None = None,
) -> Cache | None:
    """Makes a cache, or resumes an unfinished one with the same recipe.

    Under torchrun every rank makes its share of the rows; the last one to finish completes the cache.

    Args:
        dataset: the objects.
        folder: where the finished cache will be.
        config: pictures and teachers.
        workers: processes of this rank; one of them works in this process.
        device: of the teacher and the renderer.
        skip_bad: leave out objects that cannot be used instead of refusing to finish.
        progress: show how many objects are done and how long the rest will take.
        cluster: a Ray cluster that makes the rows; this process then verifies them and makes what is missing.

    Returns:
        The finished cache, None if other ranks are still at work.

    Raises:
        ValueError: objects cannot be used, a cache of another recipe is in the way, or dense targets are
            asked for that cannot be had.
        FolderInUseError: another run on this machine, not one of these ranks, makes the cache.
        OSError: the disk has no room for the cache; nothing of it is then left.
    """
    ranks = Ranks()
    with in_use(folder) if ranks.rank == 0 else nullcontext():
        return _make(dataset, Path(folder), config, ranks, workers, device, skip_bad, progress, cluster)


def _make(
    dataset: Dataset,
    folder: Path,
    config: CacheConfig,
    ranks: Ranks,
    workers: int,
    device: str,
    skip_bad: bool,
    progress: bool,
    cluster: RayConfig | None,
) -> Cache | None:
    device = str(own_device(device))
    teacher = load_teachers(config.teachers, config.render.image_size, device)
    config = fitted(config, dataset)
    if config.dense:
        require_renderer(dataset)
    recipe = make_recipe(dataset, config, teacher)
    finished_recipe = with_contents(recipe, dataset, dataset.fingerprints())
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        finished = finished_cache(folder, finished_recipe)
        if finished is not None:
            return finished
        start_cache(
            folder, dataset.names, recipe, views=dataset.views or len(rig(config.render.rig)),
            points=config.render.stored_points, width=teacher.width, parts=teacher.parts,
            about={"timm": teacher.timm_version}, finished=finished_recipe,
            dense=(config.dense.points, config.dense.channels) if config.dense else None,
        )  # fmt: skip
        if config.dense:
            ensure_basis(
                partial_folder(folder), config.dense, dataset, config.render,
                first_teacher(teacher), progress=progress and ranks.rank == 0,
            )  # fmt: skip
    run = Run(folder, dataset, config, device, progress and ranks.rank == 0)
    if cluster is not None:
        work_on_ray(run, cluster)
    if workers == 1 or cluster is not None:
        with one_thread(device):
            run.work(ranks.rank, ranks.world, teacher)
    else:
        del teacher
        run.spawn(workers, ranks.rank, ranks.world)
    # Until all have ended some rows have yet to be tried, whatever notes of an earlier run say of them.
    if not ranks.is_last(str(folder.absolute())):
        return None
    prints = dataset.fingerprints()
    finished_recipe = with_contents(recipe, dataset, prints)
    with locked(folder):
        if not folder.exists():
            _finish(folder, prints, finished_recipe, skip_bad)
        return finished_cache(folder, finished_recipe)


def default_workers(device: str) -> int:
    """Returns how many processes to start: one for a GPU or a rank of torchrun, else one per CPU, up to 8."""
    if device != "cpu" or "RANK" in os.environ:
        return 1
    return min(cpu_count(), 8)


def finished_cache(folder: Path, recipe: dict[str, Any]) -> Cache | None:
    """Returns the cache if it is finished, and removes what is left of making it.

    Raises:
        ValueError: it has another recipe.
    """
    if not folder.exists():
        return None
    if not (folder / MANIFEST).is_file():
        raise ValueError(f"{folder}: exists, but is not a cache")
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


def _finish(folder: Path, prints: Sequence[int], recipe: dict[str, Any], skip_bad: bool) -> None:
    partial = partial_folder(folder)
    unfinished = open_cache(partial, writable=True)
    done_S = unfinished.done_S
    errors = {
        int(path.name): path.read_text("utf-8", "surrogatepass") for path in (partial / ERRORS).glob("[0-9]*")
    }
    errors = {row: message for row, message in sorted(errors.items()) if not done_S[row]}
    if errors and not skip_bad:
        shown = "\n  ".join(list(errors.values())[:5])
        raise ValueError(
            f"{folder}: {len(errors)} of {len(done_S)} objects cannot be used; repair them and run again, or "
            f"leave them out with --skip-bad:\n  {shown}"
        )
    if len(errors) == len(done_S):
        raise ValueError(f"{folder}: no object can be used: {next(iter(errors.values()))}")
    changed = unfinished.changed_rows(prints.__getitem__)
    if changed:
        raise ValueError(
            f"{folder}: {len(changed)} files have changed while they were cached, such as "
            f"{unfinished.manifest['names'][changed[0]]}; run the same command again"
        )
    shutil.rmtree(partial / ERRORS, ignore_errors=True)
    finish_cache(folder, leave_out=list(errors), recipe=recipe)
