"""A real Ray cluster of several small nodes on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

MEMORY = 80 * 2**20


@contextmanager
def small_cluster() -> Iterator[Any]:
    """Starts three nodes: one for this process, without workers, and two with room for one worker each."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.add_node(num_cpus=1, object_store_memory=MEMORY)
    made.lost = made.add_node(num_cpus=1, object_store_memory=MEMORY)
    made.wait_for_nodes()
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


@contextmanager
def node_killed_when(cluster: Any, is_time: Callable[[], bool]) -> Iterator[None]:
    """Kills one of the nodes as soon as a function says so, and holds that it did."""
    over = threading.Event()
    killed = threading.Event()

    def kill() -> None:
        while not over.is_set():
            if is_time():
                cluster.remove_node(cluster.lost, allow_graceful=False)
                killed.set()
                return
            time.sleep(0.02)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()
    assert killed.is_set(), "the work was done before a node was killed"
