"""What arrives from the Hub is what it announced, and what is damaged later is downloaded again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crossjepa.model_files import CONFIG_NAME, WEIGHTS_NAME
from tests.helpers.faulty_hub import Fault, FaultyHub
from tests.helpers.hub_client import REPO, Client, load
from tests.helpers.tiny_weights import fingerprint, make_encoder, saved_files

FILES = [CONFIG_NAME, WEIGHTS_NAME]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FaultyHub]:
    with FaultyHub() as server:
        server.commit(REPO, saved_files(make_encoder(), tmp_path / "published"))
        yield server


@pytest.fixture
def client(hub: FaultyHub, tmp_path: Path) -> Client:
    return Client(hub, tmp_path / "home")


def changed(content: bytes, name: str) -> bytes:
    """Another valid file of the same size."""
    if name == CONFIG_NAME:
        return content.replace(b'"data": "none"', b'"data": "lies"')
    return content[:-1] + bytes([content[-1] ^ 1])


def published(hub: FaultyHub, name: str) -> bytes:
    repository = hub.repositories[REPO]
    return repository.trees[repository.branches["main"]][name]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("links", [True, False])
def test_other_bytes_than_announced_are_refused_and_not_kept(
    hub: FaultyHub, client: Client, name: str, links: bool
) -> None:
    if not links:
        client.environment["HF_HUB_DISABLE_SYMLINKS"] = "1"
    hub.faults[name] = Fault(content=changed(published(hub, name), name))
    message = client.fails(REPO)
    assert message.startswith(f"{REPO}: {name} arrived twice with other bytes than the Hub announced")
    assert client.cached(name) == []
    hub.faults.clear()
    assert client(load, REPO) == fingerprint(make_encoder())


@pytest.mark.parametrize("name", FILES)
def test_one_bad_download_is_repeated(hub: FaultyHub, client: Client, name: str) -> None:
    hub.faults[name] = Fault(content=changed(published(hub, name), name), times=1)
    assert client(load, REPO) == fingerprint(make_encoder())
    assert hub.downloads().count(name) == 2


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content", [b"", *(pytest.param(one, marks=pytest.mark.slow) for one in (b"garbage", None))]
)
def test_a_damaged_copy_is_downloaded_again(
    hub: FaultyHub, client: Client, name: str, content: bytes | None
) -> None:
    client(load, REPO)
    (copy,) = client.cached(name)
    copy.resolve().write_bytes(changed(published(hub, name), name) if content is None else content)
    hub.requests.clear()
    assert f"the downloaded {name} is damaged" in client.fails(REPO, local_files_only=True)
    assert "force_download=True" in client.fails(REPO, local_files_only=True)
    assert hub.requests == []
    assert client(load, REPO) == fingerprint(make_encoder())
    assert hub.downloads() == [name]
    assert client(load, REPO, local_files_only=True) == fingerprint(make_encoder())


def test_a_damaged_copy_without_the_hub(hub: FaultyHub, client: Client) -> None:
    client(load, REPO)
    (copy,) = client.cached(WEIGHTS_NAME)
    copy.resolve().write_bytes(b"garbage")
    hub.stop()
    message = client.fails(REPO)
    assert f"{REPO}: the downloaded {WEIGHTS_NAME} is damaged, load it again once the Hub answers" in message
