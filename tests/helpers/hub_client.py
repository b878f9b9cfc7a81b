"""The real Hub client, in a process of its own: it reads its environment when it is imported."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Any

import pytest

from crossjepa import CrossJEPA, CrossJEPAEncoder, WeightsError
from tests.helpers.hub_server import HubServer
from tests.helpers.tiny_weights import Fingerprint, fingerprint, make_encoder, make_view_model

REPO = "someone/encoder"


def load(repo: str, **options: Any) -> Fingerprint:
    """Loads in the client's process."""
    return fingerprint(CrossJEPAEncoder.from_pretrained(repo, **options))


def load_in_pieces(repo: str, **options: Any) -> Fingerprint:
    """Loads with a client that keeps every kilobyte at once, as it keeps ten megabytes of large files."""
    from huggingface_hub import constants

    constants.DOWNLOAD_CHUNK_SIZE = 1024
    return load(repo, **options)


def push(repo: str, seed: int, **options: Any) -> str:
    """Pushes in the client's process."""
    return make_encoder(seed).push_to_hub(repo, **options)


def load_view_model(repo: str, **options: Any) -> Fingerprint:
    """Loads an encoder and its predictor in the client's process."""
    return fingerprint(CrossJEPA.from_pretrained(repo, **options))


def push_view_model(repo: str, seed: int, **options: Any) -> str:
    """Pushes an encoder and its predictor in the client's process."""
    return make_view_model(seed).push_to_hub(repo, **options)


def _run(
    pipe: Connection,
    environment: dict[str, str],
    task: Callable[..., Any],
    args: tuple[Any, ...],
    options: Any,
) -> None:
    os.environ.update(environment)
    try:
        pipe.send((True, task(*args, **options)))
    except Exception as error:
        pipe.send((False, error))


def fresh_processes() -> ForkServerContext | SpawnContext:
    """Returns what starts a process without the state of this one, but with torch already imported."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


class Client:
    """Runs tasks in fresh processes that share a cache and see the Hub at an address."""

    def __init__(self, hub: HubServer, home: Path) -> None:
        self.processes = fresh_processes()
        self.cache = home / "hub"
        self.environment = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(self.cache),
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_TOKEN": "",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def __call__(self, task: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Returns what the task returns, or raises what it raises."""
        ours, theirs = self.processes.Pipe()
        process = self.processes.Process(target=_run, args=(theirs, self.environment, task, args, options))
        process.start()
        theirs.close()
        succeeded, value = ours.recv()
        process.join()
        if not succeeded:
            raise value
        return value

    def fails(self, *args: Any, task: Callable[..., Any] = load, **options: Any) -> str:
        """Returns the message of the WeightsError that loading raises."""
        with pytest.raises(WeightsError) as caught:
            self(task, *args, **options)
        return str(caught.value)

    def cached(self, name: str) -> list[Path]:
        """Returns the complete files of a name in the cache."""
        return sorted(self.cache.glob(f"models--*/snapshots/*/{name}"))
