"""The processes that torchrun starts to make one cache."""

import os

from torch.distributed.rendezvous import rendezvous


class Ranks:
    """This process, number `rank` of the `world` that torchrun started, or the only one."""

    def __init__(self) -> None:
        self.rank, self.world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        # It belongs to torchrun, so it outlives the ranks, and nothing in it is of an earlier run.
        self._store = next(rendezvous("env://"))[0] if self.world > 1 else None

    def is_last(self, work: str) -> bool:
        """Records that this process has finished its share of some work; returns whether all others have."""
        if self._store is None:
            return True
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        ended: int = self._store.add(f"{work}: ended in attempt {attempt}", 1)
        return ended % self.world == 0
