"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import crossjepa
from tests.conftest import SAMPLES
from tests.helpers.finetune_data import surface
from tests.test_imports import all_modules

SHAPES = ("chair", "table", "horse")


def examples() -> list[doctest.DocTest]:
    """Returns all docstrings of the package that hold examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [one for name in all_modules() for one in finder.find(importlib.import_module(name))]
    return [one for one in found if one.examples]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies in the current folder of an example.

    chair.obj, table.obj and horse.obj; shapes/, six clouds of each in a folder named after its class; and
    my_model/, a classifier for the three classes.
    """
    folder = tmp_path_factory.mktemp("examples")
    for name in SHAPES:
        shutil.copy(SAMPLES / f"{name}.obj", folder)
        (folder / "shapes" / name).mkdir(parents=True)
        for number in range(6):
            np.save(folder / "shapes" / name / f"{number}.npy", surface(name, number, 1024))
    clouds = sorted((folder / "shapes").glob("*/*.npy"))
    classifier = crossjepa.CrossJEPAClassifier().fit(clouds, [path.parent.name for path in clouds])
    classifier.encoder_.save_pretrained(folder / "my_model")
    return folder


@pytest.mark.parametrize("example", [pytest.param(one, id=one.name) for one in examples()])
def test_example(
    example: doctest.DocTest, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "read_features" in example.name:
        pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    cloud_N3 = np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32)
    names = {
        "crossjepa": crossjepa,
        "np": np,
        "torch": torch,
        "cloud": cloud_N3,
        "cloud_N3": cloud_N3,
        "points_BN3": torch.from_numpy(cloud_N3[None, :1024].copy()),
    }
    example.globs = {**example.globs, **names}
    output: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example, out=output.append).failed == 0, "".join(output)


def test_the_entry_points_have_examples() -> None:
    documented = {one.name for one in examples()}
    for name in (
        "encoder.CrossJEPAEncoder",
        "model.CrossJEPA",
        "sklearn.CrossJEPAClassifier",
        "io.read.read",
    ):
        assert f"crossjepa.{name}" in documented
