"""Weights in and out: the real Hub client against a Hub on this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Any

import pytest

from crossjepa import CrossJEPA, CrossJEPAEncoder, WeightsError
from crossjepa.hub import CARD_NAME
from crossjepa.model_files import CONFIG_NAME, PREDICTOR_NAME, WEIGHTS_NAME
from tests.helpers.hub_server import TOKEN, Cut, HubServer
from tests.helpers.tiny_weights import Fingerprint, fingerprint, make_encoder, make_view_model, saved_files

REPO = "someone/encoder"


# ----------------------------------------------------------------------------------------------------
# The client, in a process of its own: it reads its environment when it is imported.


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
        """Returns the whole files of a name in the cache."""
        return sorted(self.cache.glob(f"models--*/snapshots/*/{name}"))


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Client:
    return Client(hub, tmp_path / "home")


@pytest.fixture
def content(tmp_path: Path) -> dict[str, bytes | None]:
    """The files of `make_encoder()`."""
    return saved_files(make_encoder(), tmp_path / "published")


# ----------------------------------------------------------------------------------------------------
# Downloads


def test_download_equals_saved_model(
    hub: HubServer, client: Client, content: dict[str, bytes | None]
) -> None:
    commit = hub.commit(REPO, content)
    assert client(load, REPO) == fingerprint(make_encoder())
    assert [(request.method, request.path.rsplit("/", 1)[1]) for request in hub.requests] == [
        ("HEAD", CONFIG_NAME), ("GET", CONFIG_NAME), ("HEAD", WEIGHTS_NAME), ("GET", WEIGHTS_NAME),
    ]  # fmt: skip
    assert all(f"/resolve/{commit}/" in request.path for request in hub.requests[2:])  # of the same commit


def test_second_load_downloads_nothing(
    hub: HubServer, client: Client, content: dict[str, bytes | None]
) -> None:
    commit = hub.commit(REPO, content)
    client(load, REPO)
    hub.requests.clear()
    assert client(load, REPO) == fingerprint(make_encoder())
    assert [request.method for request in hub.requests] == ["HEAD"]  # has the branch moved?
    hub.requests.clear()
    assert client(load, REPO, revision=commit) == fingerprint(make_encoder())
    assert client(load, REPO, local_files_only=True) == fingerprint(make_encoder())
    assert hub.requests == []


def test_cached_weights_load_without_the_hub(
    hub: HubServer, client: Client, content: dict[str, bytes | None]
) -> None:
    hub.commit(REPO, content)
    client(load, REPO)
    hub.stop()
    assert client(load, REPO) == fingerprint(make_encoder())
    assert client(load, REPO, local_files_only=True) == fingerprint(make_encoder())
    client.environment["HF_HUB_OFFLINE"] = "1"
    assert client(load, REPO) == fingerprint(make_encoder())


def test_cache_dir_is_used(
    hub: HubServer, client: Client, content: dict[str, bytes | None], tmp_path: Path
) -> None:
    hub.commit(REPO, content)
    client(load, REPO, cache_dir=tmp_path / "elsewhere")
    assert client.cached(WEIGHTS_NAME) == []
    assert client(load, REPO, cache_dir=tmp_path / "elsewhere", local_files_only=True)


def test_pinned_revision_outlives_a_push(hub: HubServer, client: Client, tmp_path: Path) -> None:
    old = hub.commit(REPO, saved_files(make_encoder(0), tmp_path / "old"))
    new = hub.commit(REPO, saved_files(make_encoder(1), tmp_path / "new"))
    hub.commit(REPO, saved_files(make_encoder(2), tmp_path / "branch"), branch="next/one")
    assert client(load, REPO) == fingerprint(make_encoder(1))
    assert client(load, REPO, revision=old) == fingerprint(make_encoder(0))
    assert client(load, REPO, revision=new) == fingerprint(make_encoder(1))
    assert client(load, REPO, revision="next/one") == fingerprint(make_encoder(2))
    hub.commit(REPO, saved_files(make_encoder(3), tmp_path / "newest"))
    assert client(load, REPO) == fingerprint(make_encoder(3))


def test_force_download_repairs_a_damaged_cache(
    hub: HubServer, client: Client, content: dict[str, bytes | None]
) -> None:
    hub.commit(REPO, content)
    client(load, REPO)
    (damaged,) = client.cached(WEIGHTS_NAME)
    damaged.resolve().write_bytes(b"garbage")
    assert str(damaged) in client.fails(REPO)
    assert client(load, REPO, force_download=True) == fingerprint(make_encoder())
    assert client(load, REPO) == fingerprint(make_encoder())


def test_interrupted_download_goes_on_where_it_stopped(
    hub: HubServer, client: Client, content: dict[str, bytes | None]
) -> None:
    hub.commit(REPO, content)
    hub.cut = Cut(after=8192, times=1, reset=False)
    with contextlib.suppress(WeightsError):  # from clients before 1.0, which go on in the next call
        client(load_in_pieces, REPO)
    assert client(load, REPO) == fingerprint(make_encoder())
    ranges = [request.range for request in hub.requests if request.range]
    assert ranges == ["bytes=8192-"]


def test_broken_download_leaves_no_half_file(
    hub: HubServer, client: Client, content: dict[str, bytes | None]
) -> None:
    hub.commit(REPO, content)
    hub.cut = Cut(after=8192, times=100, reset=True)
    message = client.fails(REPO)
    assert REPO in message and f"download of {WEIGHTS_NAME} failed" in message
    assert client.cached(CONFIG_NAME) and not client.cached(WEIGHTS_NAME)
    assert "not downloaded before" in client.fails(REPO, local_files_only=True)
    hub.cut = None
    hub.requests.clear()
    assert client(load, REPO) == fingerprint(make_encoder())
    assert hub.downloads() == [WEIGHTS_NAME]


# ----------------------------------------------------------------------------------------------------
# What the Hub refuses


@pytest.mark.parametrize("name", [CONFIG_NAME, WEIGHTS_NAME])
def test_missing_file_is_named(
    hub: HubServer, client: Client, content: dict[str, bytes | None], name: str
) -> None:
    hub.commit(REPO, {**content, name: None})
    message = client.fails(REPO)
    assert message.startswith(f"{REPO}: ") and f"has no {name}" in message


@pytest.mark.parametrize("options", [{}, {"force_download": True}])
def test_unknown_repository(client: Client, options: dict[str, Any]) -> None:
    message = client.fails("someone/else", **options)
    assert "someone/else" in message and "repository on the Hub" in message


@pytest.mark.parametrize("revision", ["v9", "0" * 40])
def test_unknown_revision(
    hub: HubServer, client: Client, content: dict[str, bytes | None], revision: str
) -> None:
    hub.commit(REPO, content)
    assert f"has no revision '{revision}'" in client.fails(REPO, revision=revision)


def test_private_repository_needs_a_token(
    hub: HubServer, client: Client, content: dict[str, bytes | None]
) -> None:
    hub.commit(REPO, content, private=True)
    assert "token" in client.fails(REPO)
    assert "token" in client.fails(REPO, token=True)  # none is stored
    assert "401" in client.fails(REPO, token="hf_wrong")
    assert client(load, REPO, token=TOKEN) == fingerprint(make_encoder())
    client.environment["HF_TOKEN"] = TOKEN
    assert client(load, REPO, force_download=True) == fingerprint(make_encoder())


def test_gated_repository(hub: HubServer, client: Client, content: dict[str, bytes | None]) -> None:
    hub.commit(REPO, content, gated=True)
    assert "gated" in client.fails(REPO, token=TOKEN)


def test_offline_with_nothing_cached(hub: HubServer, client: Client) -> None:
    client.environment["HF_HUB_OFFLINE"] = "1"
    assert "not downloaded before" in client.fails(REPO)
    assert "not downloaded before" in client.fails(REPO, local_files_only=True)
    assert "offline" in client.fails(REPO, force_download=True)
    assert hub.requests == []


@pytest.mark.parametrize("repo", ["someone/a--b", "someone/encoder.git"])
def test_impossible_repository_name(hub: HubServer, client: Client, repo: str) -> None:
    assert client.fails(repo).startswith(f"{repo}: ")
    assert hub.requests == []


def test_contradictory_options(client: Client) -> None:
    message = client.fails(REPO, force_download=True, local_files_only=True)
    assert "force_download" in message and "local_files_only" in message


# ----------------------------------------------------------------------------------------------------
# Pushes


def test_push_and_load_in_different_processes(hub: HubServer, client: Client) -> None:
    address = client(push, "me/pushed", 7, token=TOKEN)
    assert address == f"{hub.url}/me/pushed/commit/{hub.repositories['me/pushed'].branches['main']}"
    assert client(load, "me/pushed") == fingerprint(make_encoder(7))
    tree = hub.repositories["me/pushed"].trees[hub.repositories["me/pushed"].branches["main"]]
    assert sorted(tree) == sorted([".gitattributes", CARD_NAME, CONFIG_NAME, WEIGHTS_NAME])
    card = tree[CARD_NAME].decode()
    assert "license: apache-2.0" in card and 'from_pretrained("me/pushed")' in card


def test_push_again_moves_the_branch(hub: HubServer, client: Client) -> None:
    client(push, "me/pushed", 0, token=TOKEN, private=True)
    first = hub.repositories["me/pushed"].branches["main"]
    hub.repositories["me/pushed"].branches["next"] = first
    client(push, "me/pushed", 1, token=TOKEN)
    client(push, "me/pushed", 2, token=TOKEN, revision="next")
    assert hub.repositories["me/pushed"].private
    assert client(load, "me/pushed", token=TOKEN) == fingerprint(make_encoder(1))
    assert client(load, "me/pushed", token=TOKEN, revision="next") == fingerprint(make_encoder(2))
    assert client(load, "me/pushed", token=TOKEN, revision=first) == fingerprint(make_encoder(0))


# ----------------------------------------------------------------------------------------------------
# Predictors


def test_predictor_is_pushed_and_downloaded_of_one_commit(hub: HubServer, client: Client) -> None:
    client(push_view_model, "me/views", 7, token=TOKEN)
    commit = hub.repositories["me/views"].branches["main"]
    card = hub.repositories["me/views"].trees[commit][CARD_NAME].decode()
    assert 'CrossJEPA.from_pretrained("me/views")' in card
    hub.requests.clear()
    assert client(load_view_model, "me/views") == fingerprint(make_view_model(7))
    assert sorted(hub.downloads()) == sorted([CONFIG_NAME, PREDICTOR_NAME, WEIGHTS_NAME])
    assert all(f"/resolve/{commit}/" in request.path for request in hub.requests[2:])
    hub.requests.clear()
    assert client(load_view_model, "me/views", local_files_only=True) == fingerprint(make_view_model(7))
    assert client(load_view_model, "me/views", revision=commit) == fingerprint(make_view_model(7))
    assert hub.requests == []


def test_an_encoder_pushed_over_a_predictor_takes_it_away(hub: HubServer, client: Client) -> None:
    client(push_view_model, "me/views", 7, token=TOKEN)
    client(push_view_model, "me/views", 8, token=TOKEN)
    assert client(load_view_model, "me/views") == fingerprint(make_view_model(8))
    client(push, "me/views", 9, token=TOKEN)
    repository = hub.repositories["me/views"]
    tree = repository.trees[repository.branches["main"]]
    assert sorted(tree) == sorted([".gitattributes", CARD_NAME, CONFIG_NAME, WEIGHTS_NAME])
    assert client(load, "me/views") == fingerprint(make_encoder(9))


def test_an_encoder_is_downloaded_without_its_predictor(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    hub.commit(REPO, saved_files(make_view_model(), tmp_path))
    assert client(load, REPO) == fingerprint(make_encoder())
    assert hub.downloads() == [CONFIG_NAME, WEIGHTS_NAME]


def test_repository_without_a_predictor(
    hub: HubServer, client: Client, content: dict[str, bytes | None]
) -> None:
    hub.commit(REPO, content)
    message = client.fails(REPO, task=load_view_model)
    assert message.startswith(f"{REPO}: these weights have no predictor: has no {PREDICTOR_NAME}")
    assert hub.downloads() == [CONFIG_NAME]
    assert client(load, REPO) == fingerprint(make_encoder())
    assert f"{PREDICTOR_NAME} was not downloaded before" in client.fails(
        REPO, task=load_view_model, local_files_only=True
    )
