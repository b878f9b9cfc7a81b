"""A cache that the machines of a Ray cluster make together."""

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

from crossjepa.scale.ray_engine import RayConfig, run_on_ray
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.cache.teachers import Teachers, load_teachers
from crossjepa.train.cache.work import Run, one_thread, progress_bar

# Small enough for many workers to end at about the same time, large enough to be worth the way.
OBJECTS_PER_TASK = 32


def work_on_ray(run: Run, config: RayConfig) -> None:
    """Makes the missing rows of a cache on a cluster, whose machines share the files and the cache.

    Rows belong to tasks by their numbers: if a machine is lost, others do its tasks again, and find those of
    its rows that are complete.

    Args:
        run: the work.
        config: the cluster.
    """
    objects = len(run.dataset)
    parts = math.ceil(objects / OBJECTS_PER_TASK)
    job = CacheJob(replace(run, folder=run.folder.absolute(), progress=False), config, parts, str(Path.cwd()))
    with progress_bar(run.progress, objects, 0) as bar:
        for part in run_on_ray(job, list(range(parts)), config):
            bar.update(len(range(part, objects, parts)))


@dataclass
class CacheJob:
    """What a worker of the cluster does.

    Attributes:
        run: the work.
        config: the cluster.
        parts: number of tasks.
        root: folder that relative names of files start from.
    """

    run: Run
    config: RayConfig
    parts: int
    root: str
    teacher: Teacher | Teachers | None = None

    def begin(self) -> None:
        """Loads the teachers."""
        os.chdir(self.root)
        device, config = str(self.config.worker_device()), self.run.config
        self.run = replace(self.run, device=device)
        self.teacher = load_teachers(config.teachers, config.render.image_size, device)

    def do(self, part: int) -> int:
        """Makes the rows of a task that are missing or damaged, and returns its number."""
        assert self.teacher is not None
        with one_thread(self.run.device):
            self.run.work(part, self.parts, self.teacher)
        return part
