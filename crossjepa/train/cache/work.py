"""The work on a cache: rows are rendered and embedded, in this process or in several.

S objects, V views, P stored points, D teacher width
"""

import pickle
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing.spawn import ProcessException, spawn

from crossjepa.datasets import Dataset
from crossjepa.errors import errors_about
from crossjepa.io import PointCloudError
from crossjepa.train.cache.cache import Cache, open_cache
from crossjepa.train.cache.dense import embed_densely
from crossjepa.train.cache.manifest import partial_folder
from crossjepa.train.cache.recipe import CacheConfig
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.cache.teachers import Teachers, load_teachers
from crossjepa.train.render.views import make_views

# Notes on objects that cannot be used, in the folder of the unfinished cache: one file per row.
ERRORS = "errors"


@dataclass(frozen=True)
class Run:
    """The work on one cache, in this process or in several."""

    folder: Path
    dataset: Dataset
    config: CacheConfig
    device: str
    progress: bool

    def spawn(self, workers: int, rank: int, world: int) -> None:
        """Starts processes and shows their progress."""
        # By a file: a process that is started takes what fits into a pipe at once, and for more it is waited
        # for until it has imported torch, one process after another.
        with tempfile.TemporaryDirectory() as temporary:
            handed_over = Path(temporary) / "run.pickle"
            handed_over.write_bytes(pickle.dumps(self))
            self._spawn(handed_over, workers, rank, world)

    def _spawn(self, handed_over: Path, workers: int, rank: int, world: int) -> None:
        context = spawn(  # type: ignore[no-untyped-call]
            _work, (handed_over, rank, world, workers), nprocs=workers, join=False
        )
        done_S = open_cache(partial_folder(self.folder), writable=True).done_S
        with progress_bar(self.progress, len(done_S), int(done_S.sum())) as bar:
            try:
                while not context.join(timeout=1):
                    bar.update(int(done_S.sum()) - bar.n)
            except ProcessException as error:
                reason = str(error).strip().splitlines()[-1]
                raise ChildProcessError(f"{self.folder}: a worker ended: {reason}") from error
            finally:  # after an interruption, Python would wait until they have made all rows
                for process in context.processes:
                    process.terminate()

    def work(self, part: int, parts: int, teacher: Teacher | Teachers) -> None:
        """Makes every `parts`-th row from `part` that is missing, damaged, or whose file has changed."""
        cache = open_cache(partial_folder(self.folder), writable=True)
        cache.done_S[cache.damaged_rows(part, parts) + cache.bad_rows(part, parts)] = False
        cache.done_S[cache.changed_rows(self.dataset.fingerprint, part, parts)] = False
        shown = self.progress and part == 0 and parent_process() is None
        with progress_bar(shown, len(cache), int(cache.done_S.sum())) as bar:
            for row in list(cache.missing_rows(part, parts)):
                self._make_row(cache, row, teacher)
                bar.update(int(cache.done_S.sum()) - bar.n)
                parent = parent_process()
                if parent is not None and not parent.is_alive():
                    return

    def _make_row(self, cache: Cache, row: int, teacher: Teacher | Teachers) -> None:
        note = partial_folder(self.folder) / ERRORS / str(row)
        note.unlink(missing_ok=True)
        try:
            source = self.dataset.fingerprint(row)
            with errors_about(self.dataset.names[row]):
                views = make_views(self.dataset[row], row, self.config.render, self.device)
            if not cache.dense_points:
                embeddings_VD, dense = teacher.embed(views.images_VHW3).numpy(), None
            else:
                embeddings_VD, features = embed_densely(views, teacher, cache.dense_points)
                assert cache.basis_XM is not None
                dense = features.quantized(cache.basis_XM)
            cache.write_row(
                row, embeddings_VD, views.poses_V5, views.histograms_VH, views.points_P3, source, dense
            )
        except (PointCloudError, ValueError, OSError) as error:
            note.parent.mkdir(exist_ok=True)
            name = self.dataset.names[row]
            said = str(error) if isinstance(error, PointCloudError) else f"{name}: {error}"
            note.write_text(said, encoding="utf-8", errors="surrogatepass")


def _work(worker: int, handed_over: Path, rank: int, world: int, workers: int) -> None:
    """One of several processes."""
    run: Run = pickle.loads(handed_over.read_bytes())
    config = run.config
    with one_thread(run.device):
        teacher = load_teachers(config.teachers, config.render.image_size, run.device)
        run.work(rank * workers + worker, world * workers, teacher)


@contextmanager
def one_thread(device: str) -> Iterator[None]:
    """On a CPU every process has one thread, so that rows do not depend on how many there are."""
    threads = torch.get_num_threads()
    try:
        if device == "cpu":
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(threads)


def progress_bar(show: bool, total: int, done: int) -> Any:
    """Returns a bar with the time left; in a log, whose lines stay, it prints one every half minute."""
    from tqdm.auto import tqdm

    interval = 0.5 if sys.stderr.isatty() else 30.0
    return tqdm(
        total=total, initial=done, unit="object", desc="cache", disable=not show, mininterval=interval
    )
