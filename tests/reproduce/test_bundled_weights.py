"""The recipe of the bundled weights runs, tried out on small packs made here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from bundled_weights import BASE, BASE_MODELNET, STEPS, Run, Work
from meshpack import write_meshpack

from crossjepa import CrossJEPAEncoder
from crossjepa.registry import WEIGHTS_FOLDER
from crossjepa.train.pretrain import load_config
from tests.conftest import REPOSITORY
from tests.helpers import dataset_writers as writers
from tests.helpers.teachers import small_teacher
from tests.reproduce.test_meshpack import packed


@pytest.mark.slow
def test_steps_run(tmp_path: Path) -> None:
    meshes = [packed(name) for name in ("chair", "horse", "table", "desk")]
    write_meshpack(tmp_path / "meshes_objects.npz", meshes)
    write_meshpack(tmp_path / "meshes_games.npz", meshes[::-1])
    labels, split = np.arange(12) % 3, np.array(["train"] * 11 + ["test"])
    clouds = writers.clouds(12, points=1024)
    np.savez(tmp_path / "modelnet40_clouds_1024.npz", points=clouds, labels=labels, split=split)
    work = Work(tmp_path, small_teacher(tmp_path), tmp_path / "out", steps=1, device="cpu")
    for name in ("cache", "run1", "weights1"):
        work.do(name)
    config = json.loads((tmp_path / "out" / "weights1" / "config.json").read_text())
    assert (config["provenance"]["steps"], config["provenance"]["recipe"]["objects"]) == (1, 8)
    (tmp_path / "out" / "weights1").rename(tmp_path / "out" / BASE)
    work.do("statistics")
    similarity = CrossJEPAEncoder.from_pretrained(tmp_path / "out" / BASE).similarity_config
    assert similarity is not None
    assert similarity.objects == 8


@pytest.mark.parametrize(
    ("run", "weights", "part"),
    [("run11", BASE, ""), ("run17", BASE, "predictor"), ("run14", BASE_MODELNET, "")],
)
def test_last_runs_are_those_that_the_weights_name(run: str, weights: str, part: str) -> None:
    text = (WEIGHTS_FOLDER / weights / "config.json").read_text()
    provenance = json.loads(text)["provenance"]
    recipe = (provenance[part] if part else provenance)["recipe"]
    step = STEPS[run]
    assert isinstance(step, Run)
    options = load_config(step.recipe).change(**step.options).flat()
    same = {key: value for key, value in recipe.items() if key not in ("cache", "init_from", "objects")}
    assert {key: options[key] for key in same} == same


def test_steps_are_those_of_the_model_card() -> None:
    card = (REPOSITORY / "MODEL_CARD.md").read_text()
    runs = dict.fromkeys(f"run{number}" for number in re.findall(r"-o RUN(\d+)", card))
    assert sorted(runs) == sorted(name for name, step in STEPS.items() if isinstance(step, Run))
