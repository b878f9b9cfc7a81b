"""What the engine refuses before Ray is asked; the work itself is tested with what it does."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from crossjepa.scale.ray_engine import RayConfig, run_on_ray


class Nothing:
    """A job without work."""

    def begin(self) -> None:
        raise AssertionError("nothing is to be done")

    def do(self, task: Any) -> Any:
        raise AssertionError("nothing is to be done")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"workers": 0}, "at least 1 worker"),
        ({"cpus_per_worker": 0.0}, "cpus_per_worker must be positive"),
        ({"gpus_per_worker": -0.5}, "gpus_per_worker must not be negative"),
    ],
)
def test_numbers_that_cannot_be(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        RayConfig(**options)


def test_no_cluster_is_started_for_no_tasks() -> None:
    assert list(run_on_ray(Nothing(), [], RayConfig("no-such-host:1"))) == []


def test_an_address_without_a_cluster() -> None:
    pytest.importorskip("ray.data", reason="the extra `ray` is not installed")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        for given in (address, f"ray://{address}"):
            with pytest.raises(ConnectionError, match=f"no Ray cluster at {given} .*: check --address"):
                list(run_on_ray(Nothing(), [1], RayConfig(given)))
