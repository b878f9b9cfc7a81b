"""The predictor of a run leaves it in the teacher's space and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from crossjepa import CrossJEPA, model_files
from crossjepa.train.cache import open_cache
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.common.distributed import process_group
from crossjepa.train.pretrain.batches import Batch
from crossjepa.train.pretrain.config import PretrainConfig, TargetScaling
from crossjepa.train.pretrain.export import export, export_predictor
from crossjepa.train.pretrain.model import Targets
from crossjepa.train.pretrain.trainer import RunOptions, Trainer, pretrain
from crossjepa.train.pretrain.weight_transfer import to_targets, to_teacher
from tests.helpers.small_cache import CONFIG, TEACHER, make_cache

QUIET = RunOptions(device="cpu", progress=False, probe_every=0)
SCALINGS: tuple[TargetScaling, ...] = ("none", "center", "standardize", "whiten")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PretrainConfig:
    """A small recipe with its cache."""
    folder = tmp_path_factory.mktemp("cache") / "cache"
    make_cache(folder)
    return replace(CONFIG, cache=str(folder))


@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_last_layer_takes_the_scaling_of_the_targets(scaling: str) -> None:
    torch.manual_seed(0)
    embeddings_RD = torch.randn(500, 12) @ torch.randn(12, 12) + 3
    targets = Targets(embeddings_RD.numpy(), scaling)  # type: ignore[arg-type]
    head = torch.nn.Linear(6, 12)
    state = {f"head.{name}": value.detach() for name, value in head.state_dict().items()}
    hidden_RP = torch.randn(500, 6)
    released = to_teacher(state, targets.state_dict())
    predicted_RD = hidden_RP @ released["head.weight"].T + released["head.bias"]
    torch.testing.assert_close(targets(predicted_RD), head(hidden_RP), rtol=1e-4, atol=1e-4)
    back = to_targets(released, targets.state_dict())
    for name, value in state.items():
        torch.testing.assert_close(back[name], value, rtol=1e-4, atol=1e-5)


def trainer(config: PretrainConfig, run: Path) -> Trainer:
    """A run at its start, or where it ended."""
    with process_group("cpu") as process:
        return Trainer(config, run, process, QUIET)


def predicted(run: Trainer, batch: Batch) -> torch.Tensor:
    """Returns what the model of a run predicts of a batch, (B, V, D)."""
    encoded = run.model.eval().encoder(batch.points_BN3)
    predicted_BVD: torch.Tensor = run.model.predictor(
        encoded.tokens, encoded.centers, batch.pose_BV3, batch.histogram_BVH
    )
    return predicted_BVD


def unscaled(targets: Targets, target_BVD: torch.Tensor) -> torch.Tensor:
    """Solves for the embeddings that have these targets."""
    target_BVD = target_BVD.double()
    if targets.whitening_DD is not None:
        target_BVD = torch.linalg.solve(targets.whitening_DD.double(), target_BVD, left=False)
    return (target_BVD * targets.std_D + targets.mean_D).float()


@pytest.mark.parametrize("scaling", SCALINGS)
@torch.inference_mode()
def test_a_released_model_predicts_what_the_run_predicts(
    config: PretrainConfig, tmp_path: Path, scaling: TargetScaling
) -> None:
    apart = scaling == "none"
    scaled = replace(config, target_scaling=scaling, joint_attention=apart, camera_positions=apart)
    with torch.inference_mode(False):
        pretrain(scaled, tmp_path / "run", QUIET)
        export(tmp_path / "run", tmp_path / "out")
    run, released = trainer(scaled, tmp_path / "run"), CrossJEPA.from_pretrained(tmp_path / "out")
    assert run.step == scaled.steps
    batch = run.batches.held_out(0, 4, 64)
    expected_BVD = unscaled(run.targets, predicted(run, batch))
    azimuth_BV, elevation_BV = (batch.pose_BV3[..., place].rad2deg() for place in (0, 1))
    predicted_BVD = released.predict_view(
        batch.points_BN3, azimuth_BV, elevation_BV, batch.pose_BV3[..., 2], batch.histogram_BVH
    )
    assert predicted_BVD.shape == expected_BVD.shape
    error = (predicted_BVD - expected_BVD).norm() / (expected_BVD - run.targets.mean_D).norm()
    assert float(error) < 5e-3
    assert not torch.equal(expected_BVD[:, 0], expected_BVD[:, 1])


@pytest.mark.parametrize("scaling", ["standardize", "whiten"])
def test_a_run_goes_on_with_a_released_predictor(
    config: PretrainConfig, tmp_path: Path, scaling: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = replace(config, target_scaling=scaling, precision="float32")  # type: ignore[arg-type]
    pretrain(first, tmp_path / "first", QUIET)
    export(tmp_path / "first", tmp_path / "out")
    loss = trainer(first, tmp_path / "first").look()["held_out_loss"]
    caplog.set_level("INFO")
    second = trainer(replace(first, init_from=str(tmp_path / "out"), seed=9), tmp_path / "second")
    assert "out: its encoder and predictor" in caplog.text
    assert second.step == 0
    assert second.look()["held_out_loss"] == pytest.approx(loss, rel=5e-3)
    # In another scaling the loss is another, but not the prediction.
    other = "center" if scaling == "whiten" else "whiten"
    third = trainer(
        replace(first, init_from=str(tmp_path / "out"), target_scaling=other),  # type: ignore[arg-type]
        tmp_path / "third",
    )
    batch = second.batches.held_out(0, 4, 64)
    with torch.inference_mode():
        predictions = [unscaled(run.targets, predicted(run, batch)) for run in (second, third)]
    torch.testing.assert_close(*predictions, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_a_run_goes_on_with_the_predictor_of_a_checkpoint(config: PretrainConfig, tmp_path: Path) -> None:
    first = replace(config, object_weight=1.0, precision="float32")
    with torch.inference_mode(False):
        pretrain(first, tmp_path / "first", QUIET)
    start = checkpoints(tmp_path / "first")[-1]
    make_cache(tmp_path / "cache", seed=1)
    again = replace(first, init_from=str(start), seed=9)
    expected = trainer(first, tmp_path / "first")
    batch = expected.batches.held_out(0, 4, 64)
    for name, changed in (
        ("scaling", replace(again, target_scaling="whiten")),
        ("cache", replace(again, cache=str(tmp_path / "cache"))),
    ):
        run = trainer(changed, tmp_path / name)
        for predict in (predicted, predicted_of_objects):
            embeddings = [unscaled(each.targets, predict(each, batch)) for each in (run, expected)]
            torch.testing.assert_close(*embeddings, rtol=1e-4, atol=1e-4)
    same = trainer(again, tmp_path / "same").model.state_dict()
    for name, value in load_checkpoint(start)["model"].items():
        assert torch.equal(same[name], value), name


def predicted_of_objects(run: Trainer, batch: Batch) -> torch.Tensor:
    """Returns what the model of a run predicts of the mean of an object's views, (B, D)."""
    assert run.model.object_head
    predicted_BD: torch.Tensor = run.model.object_head(
        run.model.eval().encoder(batch.points_BN3, pool="max+mean").pooled
    )
    return predicted_BD


def test_a_checkpoint_of_another_teacher_is_refused(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(replace(config, steps=1), tmp_path / "first", QUIET)
    start = checkpoints(tmp_path / "first")[-1]
    make_cache(tmp_path / "cache", teacher={**TEACHER, "embedding": "mean"})
    other = replace(config, init_from=str(start), cache=str(tmp_path / "cache"))
    reason = "its teacher is blobs, embedding cls, weights 0, not blobs, embedding mean, weights 0"
    with pytest.raises(ValueError, match=rf"{start.name} is of another recipe or teacher: {reason}"):
        trainer(other, tmp_path / "second")
    state = load_checkpoint(start)
    torch.save({name: state[name] for name in ("model", "step", "recipe")}, start)  # an older version's
    predictor = trainer(other, tmp_path / "second").model.predictor
    assert torch.equal(predictor.head.weight, state["model"]["predictor.head.weight"])


def test_a_released_predictor_that_does_not_fit_stays_behind(
    config: PretrainConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pretrain(config, tmp_path / "first", QUIET)
    export(tmp_path / "first", tmp_path / "out")
    make_cache(tmp_path / "cache", teacher={**TEACHER, "name": "other", "weights_sha256": "1"})
    start = replace(config, init_from=str(tmp_path / "out"))
    caplog.set_level("INFO")
    for name, changed, reason in (
        ("deeper", replace(start, predictor_depth=2), "its own is PredictorConfig"),
        ("other", replace(start, cache=str(tmp_path / "cache")), "its teacher is blobs, embedding cls"),
        ("learnable", replace(start, learnable_teacher=True), "the teacher is learnable"),
    ):
        caplog.clear()
        run = trainer(changed, tmp_path / name)
        assert f"its encoder, with a new predictor ({reason}" in caplog.text
        released = CrossJEPA.from_pretrained(tmp_path / "out")
        assert torch.equal(run.model.encoder.norm.weight, released.encoder.network.norm.weight)
        assert not torch.equal(run.model.predictor.query, released.predictor.query)


def test_a_teacher_is_known_by_its_weights(
    config: PretrainConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pretrain(replace(config, steps=1), tmp_path / "first", QUIET)
    export(tmp_path / "first", tmp_path / "out")
    released = model_files.read_config(tmp_path / "out")
    assert released.predictor is not None
    assert released.predictor.teacher_sha256 == TEACHER["weights_sha256"]
    caplog.set_level("INFO")

    def taken(name: str, teacher: object) -> str:
        make_cache(tmp_path / name / "cache", teacher=teacher)
        caplog.clear()
        start = replace(config, init_from=str(tmp_path / "out"), cache=str(tmp_path / name / "cache"))
        trainer(start, tmp_path / name / "run")
        return caplog.text

    both, other = "its encoder and predictor", "a new predictor (its teacher is blobs, embedding cls"
    assert both in taken("renamed", {**TEACHER, "name": "stem-of-a-file"})
    assert f"{other}, weights 0, not blobs, embedding cls, weights 1" in taken(
        "other weights", {**TEACHER, "weights_sha256": "1"}
    )
    assert both in taken("format 1", "blobs.safetensors")
    assert f"{other}, not others, embedding cls" in taken("format 1, other", "others")
    values = released.to_dict()
    del values["predictor"]["teacher_sha256"]  # a release of an older version
    (tmp_path / "out" / model_files.CONFIG_NAME).write_text(json.dumps(values))
    assert both in taken("older", {**TEACHER, "weights_sha256": "1"})
    assert other in taken("older, other", {**TEACHER, "name": "other"})


def test_the_predictor_of_a_frozen_encoder_joins_its_release(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path / "first", QUIET)
    export(tmp_path / "first", tmp_path / "out").save_pretrained(tmp_path / "out", dtype=torch.float16)
    assert not (tmp_path / "out" / model_files.PREDICTOR_NAME).exists()
    before = (tmp_path / "out" / model_files.WEIGHTS_NAME).read_bytes()
    frozen = replace(config, init_from=str(tmp_path / "out"), frozen_steps=12, seed=3)
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
    pretrain(replace(config, init_from=str(tmp_path / "out"), frozen_steps=11), tmp_path / "second", QUIET)
    with pytest.raises(ValueError, match=r"second: its encoder is not that of .*out .*--frozen-steps"):
        export_predictor(tmp_path / "second", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("reason", ["older version", "learnable teacher", "mean of weights"])
def test_predictors_that_cannot_be_released_are_left_out(
    config: PretrainConfig, tmp_path: Path, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    learnable = reason == "learnable teacher"
    pretrain(replace(config, steps=2, learnable_teacher=learnable), tmp_path / "run", QUIET)
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
    whiten = replace(config, target_scaling="whiten", steps=2, held_out=0)
    pretrain(whiten, tmp_path, QUIET)
    state = load_checkpoint(checkpoints(tmp_path)[-1])
    embeddings_SVD = open_cache(config.cache).embeddings_SVD[:]
    expected = Targets(embeddings_SVD.reshape(-1, embeddings_SVD.shape[-1]), "whiten").state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(state["targets"][name], value)
    assert state["prediction"]["network"]["depth"] == asdict(config)["predictor_depth"]
