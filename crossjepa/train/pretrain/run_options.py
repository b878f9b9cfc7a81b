"""Options of a run that do not change its result."""

from __future__ import annotations

from dataclasses import dataclass

from crossjepa.train.common.options import Count, Natural, check_fields


@dataclass(frozen=True)
class RunOptions:
    """Options that do not change the result.

    Attributes:
        log_every: steps between lines of the log.
        save_every: steps between checkpoints.
        probe_every: steps between probes and held-out losses; 0 for none.
        keep: checkpoints to keep.
        stop_after: steps after which this process ends, to be resumed later; 0 for none.
        device: torch device; by default a GPU if there is one.
        progress: show a bar with the time left, the loss and the samples per second.
        tensorboard: also log to TensorBoard.
        wandb: W&B project to log to as well.
    """

    log_every: Count = 50
    save_every: Count = 250
    probe_every: Natural = 500
    keep: int = 3
    stop_after: Natural = 0
    device: str | None = None
    progress: bool = True
    tensorboard: bool = False
    wandb: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
