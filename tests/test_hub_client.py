"""What the Hub answers is told apart, and it is not waited for without end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crossjepa.model_files import CONFIG_NAME, WEIGHTS_NAME
from tests.helpers.faulty_hub import Fault, FaultyHub
from tests.helpers.hub_client import REPO, Client, load
from tests.helpers.kills import files_of_at_most
from tests.helpers.tiny_weights import fingerprint, make_encoder, saved_files


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FaultyHub]:
    with FaultyHub() as server:
        server.commit(REPO, saved_files(make_encoder(), tmp_path / "published"))
        yield server


@pytest.fixture
def client(hub: FaultyHub, tmp_path: Path) -> Client:
    return Client(hub, tmp_path / "home")


@pytest.mark.parametrize("name", [CONFIG_NAME, WEIGHTS_NAME])
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "the Hub refused it"),
        (401, "no access"),
        (403, "no access: ask for it"),
        (404, "not found on the Hub"),
        (410, "no longer on the Hub"),
        (416, "the Hub refused it"),
        (418, "the Hub refused it"),
        (451, "not available for legal reasons"),
    ],
)
def test_statuses_are_told_apart(hub: FaultyHub, client: Client, status: int, reason: str, name: str) -> None:
    hub.faults[name] = Fault(status=status)
    message = client.fails(REPO)
    assert message.startswith(f"{REPO}: {name} was not downloaded: {reason}")
    assert f"(status {status})" in message
    assert "\n" not in message and "check the network" not in message
    hub.faults.clear()
    assert client(load, REPO) == fingerprint(make_encoder())


@pytest.mark.parametrize("only_content", [False, True])
@pytest.mark.parametrize(
    "headers", [{"Retry-After": "100000"}, {"RateLimit": '"api";r=0;t=100000', "Retry-After": "soon"}]
)
def test_a_hub_that_asks_for_patience_of_hours_is_not_waited_for(
    hub: FaultyHub, client: Client, headers: dict[str, str], only_content: bool
) -> None:
    hub.faults[WEIGHTS_NAME] = Fault(429, headers, only_content=only_content)
    message = client.fails(REPO)
    if "asks to wait" in message:  # clients before 1.0 do not read this, and do not wait either
        assert "status 429, it asks to wait for 100,000 seconds" in message
    assert "429" in message
    hub.faults.clear()
    assert client(load, REPO) == fingerprint(make_encoder())


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 503])
def test_a_hub_with_a_problem(hub: FaultyHub, client: Client, status: int) -> None:
    """It asks to come back at once, which is after a second for the client."""
    hub.faults[CONFIG_NAME] = Fault(status, {"Retry-After": "0"})
    message = client.fails(REPO)
    assert f"the Hub has a problem: try again later (status {status})" in message
    hub.faults[CONFIG_NAME] = Fault(status, {"Retry-After": "0"}, times=1)
    assert client(load, REPO) == fingerprint(make_encoder())


@pytest.mark.skipif(os.name == "nt", reason="needs limits of file sizes")
def test_a_cache_without_room(client: Client, tmp_path: Path) -> None:
    message = client.fails(REPO, task=load_with_little_room)
    assert f"{WEIGHTS_NAME} cannot be kept in {client.cache}: File too large (see cache_dir)" in message
    (tmp_path / "file").write_text("x")
    message = client.fails(REPO, cache_dir=tmp_path / "file")
    assert f"{CONFIG_NAME} cannot be kept in {tmp_path / 'file'}: " in message


def load_with_little_room(repo: str) -> dict[str, bytes]:
    """Loads where no file can have more than 20 kB."""
    with files_of_at_most(20_000):
        return load(repo)


def impatient_load(repo: str) -> dict[str, bytes]:
    """Loads with little patience, since the Hub of the test never answers."""
    from crossjepa import hub_client

    hub_client.PATIENCE = 2.0
    return load(repo)


@pytest.mark.slow
def test_a_hub_out_of_reach_and_one_that_never_answers_well(
    hub: FaultyHub, client: Client, tmp_path: Path
) -> None:
    """Both at once, since all that their clients do for half a minute is to wait."""
    with FaultyHub() as stopped, ThreadPoolExecutor() as threads:
        stopped.stop()
        unreached = threads.submit(Client(stopped, tmp_path / "elsewhere").fails, REPO)
        hub.faults[CONFIG_NAME] = Fault(503)
        message = client.fails(REPO, task=impatient_load)
        assert "no usable answer for" in message or "status 503" in message
        assert len(hub.requests) < 5
        message = unreached.result()
    assert f"{CONFIG_NAME} was not downloaded before, and the Hub cannot be reached" in message
    assert "check the network" in message
