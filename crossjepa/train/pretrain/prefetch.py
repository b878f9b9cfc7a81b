"""Batches that other processes prepare while the model trains."""

from __future__ import annotations

import os
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset

from crossjepa.train.cache.concat import open_caches
from crossjepa.train.common.distributed import Process
from crossjepa.train.pretrain.batches import Batches, Prepared
from crossjepa.train.pretrain.config import PretrainConfig, Workers
from crossjepa.workers import MOST_WORKERS, cpu_count


class PreparedSteps(Dataset[Prepared]):
    """The prepared batches of one process of a run, by the number of the step.

    The cache is opened in the process that reads it, so that no process sends its contents to another.

    Args:
        config: the recipe.
        rank: number of the process for which batches are prepared.
        world: number of these processes.
    """

    def __init__(self, config: PretrainConfig, rank: int, world: int) -> None:
        self.config, self.rank, self.world = config, rank, world
        self.batches: Batches | None = None

    def __getitem__(self, step: int) -> Prepared:
        if self.batches is None:
            cache = open_caches(self.config.data.cache)
            self.batches = Batches(cache, self.config, self.rank, self.world)
        return self.batches.prepare(step)


def prepared_steps(
    batches: Batches, process: Process, first: int, last: int, workers: Workers
) -> Iterator[Prepared]:
    """Yields the prepared batches of steps, in their order.

    Args:
        batches: what prepares them in this process.
        process: this process among those of the run.
        first: number of the first step.
        last: number after the last step.
        workers: processes that prepare batches ahead of time; 0 for none, "auto" for `default_workers`.
    """
    workers = default_workers(process.device) if workers == "auto" else workers
    if not workers:
        yield from (batches.prepare(step) for step in range(first, last))
        return
    yield from DataLoader(
        PreparedSteps(batches.config, batches.rank, batches.world),
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        pin_memory=process.device.type == "cuda",
    )


def default_workers(device: torch.device) -> int:
    """Returns how many processes prepare batches: none beside a CPU, which they would take from the model.

    For a GPU it is one per CPU, but for the one of this process, up to 16; the processes that torchrun
    started on this machine share the CPUs.
    """
    if device.type != "cuda":
        return 0
    return min(cpu_count() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)) - 1, MOST_WORKERS)
