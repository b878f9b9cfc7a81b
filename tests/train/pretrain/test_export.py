"""From a run to weights that load, with or without a predictor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from crossjepa import CrossJEPAEncoder, model_files
from crossjepa.train.cache import open_cache
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.pretrain.config import PretrainConfig, RunOptions
from crossjepa.train.pretrain.export import export, export_predictor, record
from crossjepa.train.pretrain.targets import Targets
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.runs import run_to_the_end
from tests.helpers.small_cache import TEACHER, WIDTH

QUIET = RunOptions(device="cpu", progress=False, probe_every=0)


@pytest.mark.slow
def test_the_predictor_of_a_frozen_encoder_joins_its_release(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path / "first", QUIET)
    export(tmp_path / "first", tmp_path / "out").save_pretrained(tmp_path / "out", dtype=torch.float16)
    assert not (tmp_path / "out" / model_files.PREDICTOR_NAME).exists()
    before = (tmp_path / "out" / model_files.WEIGHTS_NAME).read_bytes()
    frozen = config.change(init_from=str(tmp_path / "out"), frozen_steps=12, seed=3)
    pretrain(frozen, tmp_path / "second", QUIET)
    words = [sys.executable, "-m", "crossjepa", "export", str(tmp_path / "second"), "--predictor-only"]
    done = subprocess.run([*words, "-o", str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / model_files.WEIGHTS_NAME).read_bytes() == before
    released = model_files.read_config(tmp_path / "out")
    assert released.provenance["recipe"]["seed"] == 0
    assert released.provenance["predictor"]["recipe"]["seed"] == 3
    assert released.predictor is not None
    assert (released.predictor.teacher, released.predictor.embedding) == (TEACHER["name"], "cls")
    assert released.predictor.distance == 3.0
    assert released.predictor.histogram == (0.0625,) * 48
    predictor = load_file(tmp_path / "out" / model_files.PREDICTOR_NAME)
    assert {value.dtype for value in predictor.values()} == {torch.float16}
    export(tmp_path / "second", tmp_path / "whole")
    assert (tmp_path / "whole" / model_files.WEIGHTS_NAME).read_bytes() == before
    for name, value in load_file(tmp_path / "whole" / model_files.PREDICTOR_NAME).items():
        assert torch.equal(value, predictor[name]), name


@pytest.mark.parametrize("damage", ["cut off", "gone"])
def test_a_damaged_predictor_is_in_nobodys_way(config: PretrainConfig, tmp_path: Path, damage: str) -> None:
    pretrain(config, tmp_path / "run", QUIET)
    export(tmp_path / "run", tmp_path / "out")
    predictor = tmp_path / "out" / model_files.PREDICTOR_NAME
    whole = predictor.read_bytes()
    if damage == "gone":
        predictor.unlink()
    else:
        predictor.write_bytes(whole[:-1])
    export(tmp_path / "run", tmp_path / "mean", average_with=[tmp_path / "out"])
    assert (tmp_path / "mean" / model_files.WEIGHTS_NAME).is_file()
    export_predictor(tmp_path / "run", tmp_path / "out")
    assert predictor.read_bytes() == whole


def test_the_predictor_of_another_encoder_is_refused(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path / "first", QUIET)
    export(tmp_path / "first", tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    pretrain(config.change(init_from=str(tmp_path / "out"), frozen_steps=11), tmp_path / "second", QUIET)
    with pytest.raises(ValueError, match=r"second: its encoder is not that of .*out .*--frozen-steps"):
        export_predictor(tmp_path / "second", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("reason", ["older version", "learnable teacher", "mean of weights"])
def test_predictors_that_cannot_be_released_are_left_out(
    config: PretrainConfig, tmp_path: Path, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    learnable = reason == "learnable teacher"
    pretrain(config.change(steps=2, learnable_teacher=learnable), tmp_path / "run", QUIET)
    export(tmp_path / "run", tmp_path / "out")
    path = checkpoints(tmp_path / "run")[-1]
    state = load_checkpoint(path)
    if reason == "older version":
        torch.save({name: state[name] for name in ("model", "step", "recipe")}, path)
    average_with = [tmp_path / "out"] if reason == "mean of weights" else []
    caplog.clear()
    export(tmp_path / "run", tmp_path / "out", average_with=average_with)
    assert reason in caplog.text
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        model_files.CONFIG_NAME,
        model_files.WEIGHTS_NAME,
    ]
    assert model_files.read_config(tmp_path / "out").predictor is None
    if reason != "mean of weights":
        with pytest.raises(ValueError, match=f"no predictor to export: .*{reason}"):
            export_predictor(tmp_path / "run", tmp_path / "out")


def test_checkpoints_know_the_scaling(config: PretrainConfig, tmp_path: Path) -> None:
    whiten = config.change(target_scaling="whiten", steps=2, held_out=0)
    pretrain(whiten, tmp_path, QUIET)
    state = load_checkpoint(checkpoints(tmp_path)[-1])
    embeddings_SVD = open_cache(config.data.cache).embeddings_SVD[:]
    expected = Targets(embeddings_SVD.reshape(-1, embeddings_SVD.shape[-1]), "whiten").state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(state["targets"][name], value)
    assert state["prediction"]["network"]["depth"] == config.model.predictor_depth


def test_export_loads(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path / "run", QUIET)
    export(tmp_path / "run", tmp_path / "out", {"license": "apache-2.0"})
    record(tmp_path / "out", modelnet40_linear_svm=0.5)
    encoder = CrossJEPAEncoder.from_pretrained(tmp_path / "out")
    assert encoder.model_config.provenance["steps"] == 12
    assert encoder.model_config.provenance["modelnet40_linear_svm"] == 0.5
    assert load_file(tmp_path / "out" / "model.safetensors")["norm.weight"].dtype == torch.float16
    assert np.isfinite(encoder.encode(np.random.default_rng(0).normal(size=(100, 3)))).all()
    assert open_cache(config.data.cache).embeddings_SVD.shape[-1] == WIDTH


@pytest.mark.slow
def test_export_of_the_mean_of_weights(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path / "first", QUIET)
    first = export(tmp_path / "first", tmp_path / "weights")
    pretrain(config.change(init_from=str(tmp_path / "weights"), seed=1), tmp_path / "second", QUIET)
    second = export(tmp_path / "second", tmp_path / "later")
    words = [
        sys.executable,
        "-m",
        "crossjepa",
        "export",
        str(tmp_path / "second"),
        "-o",
        str(tmp_path / "mean"),
    ]
    run_to_the_end([*words, "--average-with", str(tmp_path / "weights")])
    mean = CrossJEPAEncoder.from_pretrained(tmp_path / "mean")
    assert mean.model_config.provenance["averaged_with"] == ["weights"]
    states = first.state_dict(), second.state_dict(), mean.state_dict()
    assert not torch.equal(states[0]["norm.weight"], states[1]["norm.weight"])
    for name in (name for name, value in states[0].items() if value.is_floating_point()):
        torch.testing.assert_close(
            states[2][name], (states[0][name] + states[1][name]) / 2, atol=1e-3, rtol=1e-3
        )
    with pytest.raises(ValueError, match="crossjepa-base: its encoder is not of size crossjepa-test"):
        export(tmp_path / "second", tmp_path / "other", average_with=["crossjepa-base"])
    assert not (tmp_path / "other").exists()
