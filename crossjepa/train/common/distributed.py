"""Several processes under torchrun, and batch norms over the batches of all of them.

M rows, C channels
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather, all_reduce

from crossjepa.device import resolve_device


@dataclass(frozen=True)
class Process:
    """One of the processes of a run.

    Attributes:
        rank: number of the process; number 0 writes the files.
        world: number of processes.
        device: torch device of the process.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0


@contextmanager
def process_group(device: str | None = None) -> Iterator[Process]:
    """Joins the other processes that torchrun started, if any.

    Args:
        device: torch device, see `own_device`.

    Yields:
        This process.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    chosen = own_device(device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if world > 1:
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Process(rank, world, chosen)
    finally:
        if world > 1:
            dist.destroy_process_group()


def own_device(name: str | None = None) -> torch.device:
    """Returns the device of this process.

    Args:
        name: as for `resolve_device`, except that None is the same as "auto". "cuda" without a number is the
            GPU of this process among those that torchrun started on this machine, which share the GPUs if
            there are fewer.

    Raises:
        ValueError: the device does not exist; the message says why.
    """
    chosen = resolve_device(name or "auto")
    number = int(os.environ.get("LOCAL_RANK", 0)) % max(torch.cuda.device_count(), 1)
    return torch.device("cuda", number) if chosen.type == "cuda" and chosen.index is None else chosen


def leave_group() -> None:
    """Ends this process, if it is one of several, with status 0 and without shutting the interpreter down.

    DistributedDataParallel keeps threads of gloo alive beyond the process group. One that releases a tensor
    while Python shuts down aborts the process, so that torchrun reports a finished run as failed.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class SyncedBatchNorm(nn.BatchNorm1d):
    """Batch norm over the rows of all processes, on any device (torch's own is for GPUs)."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalizes (M, C) rows."""
        if not self.training:
            return super().forward(input)
        rows_MC = input.float()
        moments_2C = torch.stack([rows_MC.mean(dim=0), rows_MC.square().mean(dim=0)])
        summed_2C: Tensor = all_reduce(moments_2C)  # type: ignore[no-untyped-call]
        moments_2C = summed_2C / dist.get_world_size()
        mean_C = moments_2C[0]
        variance_C = (moments_2C[1] - mean_C.square()).clamp_min(0)
        self._update(mean_C.detach(), variance_C.detach(), len(input) * dist.get_world_size())
        scale_C = self.weight * torch.rsqrt(variance_C + self.eps)
        return (rows_MC * scale_C + (self.bias - mean_C * scale_C)).to(input.dtype)

    @torch.no_grad()
    def _update(self, mean_C: Tensor, variance_C: Tensor, count: int) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        self.running_mean.lerp_(mean_C, self.momentum)
        self.running_var.lerp_(variance_C * (count / (count - 1)), self.momentum)


def gather_rows(rows: Tensor) -> tuple[Tensor, int]:
    """Joins the rows of all processes, differentiably.

    Args:
        rows: (B, ...) rows of this process; all processes have equally many.

    Returns:
        (B * processes, ...) rows, and the index of the first row of this process.
    """
    if not dist.is_initialized():
        return rows, 0
    everyones = all_gather(rows)  # type: ignore[no-untyped-call]
    return torch.cat(everyones), dist.get_rank() * len(rows)


def all_mean(value: Tensor) -> Tensor:
    """Replaces a tensor by its mean over all processes, in place, and returns it."""
    if dist.is_initialized():
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value


def sync_batch_norms(module: nn.Module) -> None:
    """Makes the batch norms of a module use the batches of all processes."""
    for child in module.modules():
        if type(child) is nn.BatchNorm1d:
            child.__class__ = SyncedBatchNorm
