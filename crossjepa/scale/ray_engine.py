"""Work on a Ray cluster: tasks that may be done twice go to workers that load their model once."""

from __future__ import annotations

import json
import logging
import math
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from crossjepa.device import resolve_device
from crossjepa.errors import WorkerError

# Ray keeps a record of each of its tasks; beyond so many, each of them does several of ours.
MOST_BLOCKS = 10_000


@dataclass(frozen=True)
class RayConfig:
    """The part of a Ray cluster that a run may use.

    Attributes:
        address: of the cluster; None for RAY_ADDRESS, a cluster that runs on this machine, or a new one.
        workers: processes with a model each; as many as there is room for by default.
        cpus_per_worker: CPUs that each of them reserves, and threads that it computes with.
        gpus_per_worker: GPUs that each of them reserves, or a part of one.
        device: where they compute; "auto" for the GPU if they reserve one.

    Raises:
        ValueError: a number is not positive.
    """

    address: str | None = None
    workers: int | None = None
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"a cluster needs at least 1 worker, not {self.workers}")
        if self.cpus_per_worker <= 0:
            raise ValueError(f"cpus_per_worker must be positive, not {self.cpus_per_worker}")
        if self.gpus_per_worker < 0:
            raise ValueError(f"gpus_per_worker must not be negative, not {self.gpus_per_worker}")

    def worker_device(self) -> torch.device:
        """Returns where a worker computes: a Ray worker without a GPU sees none."""
        return resolve_device(self.device)


class Job(Protocol):
    """What the workers do. A job is pickled once and sent to each of them."""

    def begin(self) -> None:
        """Gets ready, in a worker."""

    def do(self, task: Any) -> Any:
        """Does a task, in a worker, and returns a report; both are plain JSON values.

        A task whose worker is lost is done again, perhaps while the lost one still lives: its result must
        replace the other, and be the same.
        """


def run_on_ray(job: Job, tasks: Sequence[Any], config: RayConfig) -> Generator[Any]:
    """Does tasks on a Ray cluster, by Ray Data.

    Args:
        job: what to do with them.
        tasks: plain JSON values.
        config: where.

    Yields:
        The reports of the tasks, as they are done, in any order.

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: there is nothing at the address.
        WorkerError: the cluster could not do the work; the message has the reason.
    """
    if not tasks:
        return
    ray = import_ray()
    with _connected(ray, config.address):
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        pool: dict[str, int | None] = {"size": config.workers} if config.workers else {"min_size": 1}
        lines = [{"task": json.dumps(task)} for task in tasks]
        blocks = min(len(lines), MOST_BLOCKS)
        done = ray.data.from_items(lines, override_num_blocks=blocks).map_batches(
            _Worker,
            fn_constructor_args=(ray.put(job), max(1, math.floor(config.cpus_per_worker))),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(**pool, max_tasks_in_flight_per_actor=2),
            num_cpus=config.cpus_per_worker,
            num_gpus=config.gpus_per_worker,
        )
        try:
            for row in done.iter_rows():
                yield json.loads(row["report"])
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise WorkerError(f"a worker of the Ray cluster failed: {reason}") from error


class _Worker:
    """An actor of the cluster."""

    def __init__(self, job: Any, threads: int) -> None:
        torch.set_num_threads(threads)
        self.job: Job = import_ray().get(job)
        self.job.begin()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"report": [json.dumps(self.job.do(json.loads(task))) for task in batch["task"]]}


def import_ray() -> Any:
    """Returns the module ray, with ray.data.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError("--engine ray needs Ray: pip install 'crossjepa[ray]'") from error
    return ray


@contextmanager
def _connected(ray: Any, address: str | None) -> Generator[None]:
    """Connects to a cluster for a while, if this process is not connected yet."""
    if ray.is_initialized():
        yield
        return
    _require_listener(address)
    ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    try:
        yield
    finally:
        ray.shutdown()


def _require_listener(address: str | None) -> None:
    """Asks whether anything listens at HOST:PORT: Ray itself would wait for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        reason = error.strerror or error
        raise ConnectionError(f"no Ray cluster at {address} ({reason}): check --address") from error
