"""A run refuses, before any work, a folder that another run uses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crossjepa import FolderInUseError
from crossjepa.cli.main import main
from crossjepa.datasets import open_dataset
from crossjepa.train.cache import CacheConfig, make_cache
from crossjepa.train.finetune import finetune
from crossjepa.train.pretrain.trainer import pretrain
from crossjepa.train.render.render_files import render_files
from crossjepa.train.render.views import RenderConfig
from tests.conftest import SAMPLES
from tests.helpers.kills import user_of
from tests.helpers.small_cache import CONFIG

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")

RUNS: dict[str, Callable[[Path], object]] = {
    "finetune": lambda folder: finetune("no data", folder),
    "pretrain": lambda folder: pretrain(CONFIG, folder),
    "cache": lambda folder: make_cache(open_dataset([SAMPLES]), folder, CacheConfig("no teacher")),
    "render": lambda folder: render_files([SAMPLES], folder, RenderConfig()),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_second_run_is_refused_by_name(tmp_path: Path, name: str) -> None:
    user = user_of(tmp_path / "run")
    try:
        with pytest.raises(FolderInUseError, match=rf"run: is in use by another run \(process {user.pid}\)"):
            RUNS[name](tmp_path / "run")
    finally:
        user.communicate("")
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_says_so_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    user = user_of(tmp_path / "run")
    try:
        assert main(["render", str(SAMPLES / "chair.obj"), "-o", str(tmp_path / "run"), "--quiet"]) == 2
    finally:
        user.communicate("")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"crossjepa: error: {tmp_path / 'run'}: is in use by another run")
