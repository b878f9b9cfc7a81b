"""Pushes, and the model card that goes with them: the real Hub client against a Hub on this machine."""

from __future__ import annotations

from crossjepa.hub import CARD_NAME
from crossjepa.model_files import CONFIG_NAME, PREDICTOR_NAME, WEIGHTS_NAME
from tests.helpers.hub_client import Client, load, load_view_model, push, push_view_model
from tests.helpers.hub_server import TOKEN, HubServer
from tests.helpers.tiny_weights import fingerprint, make_encoder, make_view_model


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
