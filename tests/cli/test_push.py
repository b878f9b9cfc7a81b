"""`crossjepa push`, with the real client of the Hub against a Hub on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossjepa.hub import CARD_NAME
from crossjepa.model_files import CONFIG_NAME, PREDICTOR_NAME, WEIGHTS_NAME
from tests.cli.conftest import Run, only_error
from tests.helpers.hub_server import TOKEN, HubServer
from tests.helpers.tiny_weights import make_encoder, make_view_model

REPO = "someone/encoder"


def push(
    hub: HubServer, home: Path, *words: str | Path, token: str = TOKEN
) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own: the client reads its environment when it is imported."""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_TOKEN": token} if token else {}
    command = [sys.executable, "-m", "crossjepa", "push", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
def test_weights_and_card_are_uploaded(hub: HubServer, tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path / "weights")
    done = push(hub, tmp_path, tmp_path / "weights", REPO, "--private", "--message", "First")
    assert done.returncode == 0, done.stderr
    repository = hub.repositories[REPO]
    commit = repository.branches["main"]
    assert done.stdout == f"{hub.url}/{REPO}/commit/{commit}\n"
    assert repository.private
    assert {CARD_NAME, CONFIG_NAME, WEIGHTS_NAME} <= set(repository.trees[commit])

    make_view_model().save_pretrained(tmp_path / "weights")
    hub.commit(REPO, {}, branch="next")
    done = push(hub, tmp_path, tmp_path / "weights", REPO, "--revision", "next", "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    next_commit = repository.branches["next"]
    assert json.loads(done.stdout) == {"repo": REPO, "commit": f"{hub.url}/{REPO}/commit/{next_commit}"}
    assert PREDICTOR_NAME in repository.trees[repository.branches["next"]]
    assert repository.branches["main"] == commit


@pytest.mark.slow
def test_without_a_token_there_is_one_line(hub: HubServer, tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path / "weights")
    done = push(hub, tmp_path, tmp_path / "weights", REPO, token="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("crossjepa: error: ")
    assert "Traceback" not in done.stderr


def test_mistakes_are_explained(run: Run, tmp_path: Path) -> None:
    assert f"{tmp_path}: has no config.json" in only_error(run("push", tmp_path, REPO))
    assert "missing from crossjepa push: ORG/REPO" in only_error(run("push", tmp_path))
