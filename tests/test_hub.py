"""Downloads, and what the Hub refuses: the real client against a Hub on this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from crossjepa import CrossJEPAEncoder, WeightsError
from crossjepa.model_files import CONFIG_NAME, PREDICTOR_NAME, WEIGHTS_NAME
from tests.helpers.hub_client import REPO, Client, load, load_in_pieces, load_view_model
from tests.helpers.hub_server import TOKEN, Cut, HubServer
from tests.helpers.tiny_weights import fingerprint, make_encoder, make_view_model, saved_files

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


def test_force_download_downloads_again(
    hub: HubServer, client: Client, content: dict[str, bytes | None]
) -> None:
    hub.commit(REPO, content)
    client(load, REPO)
    hub.requests.clear()
    assert client(load, REPO, force_download=True) == fingerprint(make_encoder())
    assert hub.downloads() == [CONFIG_NAME, WEIGHTS_NAME]


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
# Predictors


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


def test_options_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path)
    with pytest.raises(TypeError, match=r"unexpected options \['revison'\]"):
        CrossJEPAEncoder.from_pretrained(tmp_path, revison="main")  # type: ignore[call-arg]


def test_folders_have_no_revisions(tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="no revisions"):
        CrossJEPAEncoder.from_pretrained(tmp_path, revision="main")


@pytest.mark.parametrize("name", [CONFIG_NAME, WEIGHTS_NAME])
def test_folder_without_a_file(tmp_path: Path, name: str) -> None:
    make_encoder().save_pretrained(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(WeightsError, match=f"has no {name}"):
        CrossJEPAEncoder.from_pretrained(tmp_path)
