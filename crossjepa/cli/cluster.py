"""Options of commands that can run on a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from crossjepa.cli import options

if TYPE_CHECKING:
    from crossjepa.scale.ray_engine import RayConfig


@dataclass(frozen=True)
class Cluster:
    """Where the work is done.

    Attributes:
        engine: local for this machine, ray for the machines of a Ray cluster, which must share the files.
        address: of the Ray cluster, such as HOST:6379, or auto for that of this machine.
        cpus_per_worker: CPUs of each worker of the Ray cluster.
        gpus_per_worker: GPUs of each worker of the Ray cluster, or a part of one, such as 0.25.
    """

    engine: Literal["local", "ray"] = "local"
    address: Annotated[
        str | None,
        arg(metavar="ADDRESS"),
        options.unset("RAY_ADDRESS, a running cluster, or a new one here"),
    ] = None
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0

    def require_local(self, reason: str) -> None:
        """Refuses a cluster.

        Raises:
            ValueError: `--engine ray` was given.
        """
        if self.engine == "ray":
            raise ValueError(f"--engine ray cannot be used here: {reason}")

    def config(self, workers: int | None, device: str) -> RayConfig:
        """Returns what the engine takes.

        Raises:
            ValueError: a number is not positive.
        """

        from crossjepa.scale.ray_engine import RayConfig

        return RayConfig(self.address, workers, self.cpus_per_worker, self.gpus_per_worker, device)


DEFAULT_CLUSTER = Cluster()
