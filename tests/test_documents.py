"""What documents say to type works: blocks of code run, and commands are those that the command line has."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

import crossjepa
from crossjepa.cli.main import COMMANDS, load
from crossjepa.cli.parsing import UsageError, bind
from crossjepa.io import Mesh, read
from tests.conftest import REPOSITORY, SAMPLES
from tests.helpers.documents import PAGES, Block, blocks, commands, mentions
from tests.helpers.finetune_data import surface

SHAPES = ("chair", "horse", "table")
pages = pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
RUN = [page for page in PAGES if any(not block.why_not for block in blocks(page))]


def problem(words: list[str]) -> str:
    """Reads a command line without running it; returns what is wrong with it, "" if nothing is."""
    name = next((name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS), "")
    if not name:
        return "no such command"
    left = words[len(name.split()) :]
    try:
        bind(load(name, left), left, f"crossjepa {name}")
    except (UsageError, FileNotFoundError) as error:
        return str(error)
    return ""


@pages
def test_python_blocks_are_python(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.code, f"{page.name}, line {block.line}", "exec")


@pages
def test_commands_of_blocks_exist(page: Path) -> None:
    for line, words in commands(page):
        assert not problem(words), f"{page.name}, line {line}: crossjepa {shlex.join(words)}"


@pages
def test_commands_in_the_text_exist(page: Path) -> None:
    """They may leave out arguments: `crossjepa pretrain` is a way to name a command."""
    for words in mentions(page):
        if not words[0].startswith("-") and words[0].islower():
            found = problem(words)
            left_out = not found or "required" in found or "no recipe 'NAME'" in found
            assert left_out, f"{page.name}: crossjepa {shlex.join(words)}: {found}"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies in the folder of a reader, under the names that the documents use."""
    folder = tmp_path_factory.mktemp("documents")
    for name, source in (*zip(SHAPES, SHAPES, strict=True), ("a", "chair"), ("b", "table"), ("new", "chair")):
        shutil.copy(SAMPLES / f"{source}.obj", folder / f"{name}.obj")
    for name in ("FOLDER", "scans", "new_files", "examples/files"):
        shutil.copytree(SAMPLES, folder / name)
    for name in ("quickstart.py", "onnx_without_torch.py"):
        shutil.copy(REPOSITORY / "examples" / name, folder / "examples")
    for name in SHAPES:
        (folder / "my_files" / name).mkdir(parents=True)
        for number in range(8):
            np.save(folder / "my_files" / name / f"{number}.npy", surface(name, number, 1024))
    np.save(folder / "cloud.npy", surface("chair", 0, 1024).astype(np.float32))
    for name in ("b", "scan"):
        np.savetxt(folder / f"{name}.ply", surface("table", 0, 500), header=_ply_header(500), comments="")
    trimesh.load(SAMPLES / "chair.obj").export(folder / "new.stl")  # type: ignore[no-untyped-call]
    chair = read(SAMPLES / "chair.obj")
    assert isinstance(chair, Mesh)
    height_V = chair.vertices_V3[:, 1]
    np.save(folder / "chair_parts.npy", (height_V > np.median(height_V)).astype(int))
    Image.new("RGB", (64, 64), "white").save(folder / "photo.jpg")
    clouds = sorted((folder / "my_files").glob("*/*.npy"))
    classifier = crossjepa.CrossJEPAClassifier().fit(clouds, [path.parent.name for path in clouds])
    classifier.encoder_.save_pretrained(folder / "MODEL")
    return folder


def _ply_header(points: int) -> str:
    axes = "\n".join(f"property float {axis}" for axis in "xyz")
    return f"ply\nformat ascii 1.0\nelement vertex {points}\n{axes}\nend_header"


@pytest.mark.slow
@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in RUN])
def test_blocks_run(page: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page, in their order, in one folder and with one set of Python's names."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    if 'Path("my_files")' in page.read_text(encoding="utf-8"):
        shutil.rmtree(tmp_path / "my_files")  # the page makes it
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["page"])
    names = _names()
    for block in blocks(page):
        if block.why_not:
            continue
        place = f"{page.name}, line {block.line}"
        if block.language == "python":
            exec(compile(block.code, place, "exec"), names)
        else:
            _run_shell(block, place, tmp_path)


def _names() -> dict[str, Any]:
    """What a reader has at hand."""
    cloud_N3 = surface("horse", 0, 500).astype(np.float32)
    clouds = sorted(Path("my_files").glob("*/*.npy"))
    return {
        "__name__": "__main__",
        "crossjepa": crossjepa,
        "np": np,
        "torch": torch,
        "cloud": cloud_N3,
        "files": clouds,
        "labels": [path.parent.name for path in clouds],
        "encoder": crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base"),
        "points_BN3": torch.from_numpy(crossjepa.PointCloudProcessor()(cloud_N3).numpy()[None]),
        "my_stream": lambda: [cloud_N3, cloud_N3],
    }


def _run_shell(block: Block, place: str, folder: Path) -> None:
    programs = folder / ".programs"
    programs.mkdir(exist_ok=True)
    for name, words in {"crossjepa": "-m crossjepa", "python": ""}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words} "$@"\n')
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-euo", "pipefail", "-c", block.shell]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    assert result.returncode == 0, f"{place}:\n{result.stdout[-2000:]}\n{result.stderr[-3000:]}"


def test_public_names_are_in_the_api_reference() -> None:
    text = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    assert "::: crossjepa.errors\n" in text
    listed = {*re.findall(r"^::: crossjepa\.(?:\w+\.)*(\w+)$", text, re.MULTILINE), *vars(crossjepa.errors)}
    assert {*crossjepa.__all__, "CrossJEPAClassifier"} - listed == {"__version__"}


def test_reasons_are_given_only_to_blocks() -> None:
    """A comment that stands before nothing would exempt nothing."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found = sum(text.count(f"<!-- not run: {block.why_not} -->") > 0 for block in blocks(page))
        assert found == len(re.findall("<!-- not run: ", text)), page.name
