"""The predictor of a run leaves it in the teacher's space and comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from crossjepa import CrossJEPA, model_files
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.common.distributed import process_group
from crossjepa.train.pretrain.batches import Batch
from crossjepa.train.pretrain.config import PretrainConfig, RunOptions, TargetScaling
from crossjepa.train.pretrain.export import export
from crossjepa.train.pretrain.targets import Targets
from crossjepa.train.pretrain.trainer import Trainer, pretrain
from crossjepa.train.pretrain.weight_transfer import to_targets, to_teacher
from tests.helpers.small_cache import CONFIG, PARTS, TEACHER, TEACHERS, make_cache

QUIET = RunOptions(device="cpu", progress=False, probe_every=0)
SCALINGS: tuple[TargetScaling, ...] = ("none", "center", "standardize", "whiten")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PretrainConfig:
    """A small recipe with its cache."""
    folder = tmp_path_factory.mktemp("cache") / "cache"
    make_cache(folder)
    return CONFIG.change(cache=str(folder))


@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_last_layer_takes_the_scaling_of_the_targets(scaling: TargetScaling) -> None:
    torch.manual_seed(0)
    embeddings_RD = torch.randn(500, 12) @ torch.randn(12, 12) + 3
    targets = Targets(embeddings_RD.numpy(), scaling)
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
    scaled = config.change(target_scaling=scaling, joint_attention=apart, camera_positions=apart)
    with torch.inference_mode(False):
        pretrain(scaled, tmp_path / "run", QUIET)
        export(tmp_path / "run", tmp_path / "out")
    run, released = trainer(scaled, tmp_path / "run"), CrossJEPA.from_pretrained(tmp_path / "out")
    assert run.step == scaled.run.steps
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
    first = config.change(target_scaling=scaling, precision="float32")
    pretrain(first, tmp_path / "first", QUIET)
    export(tmp_path / "first", tmp_path / "out")
    loss = trainer(first, tmp_path / "first").evaluate()["held_out_loss"]
    caplog.set_level("INFO")
    second = trainer(first.change(init_from=str(tmp_path / "out"), seed=9), tmp_path / "second")
    assert "out: its encoder and predictor" in caplog.text
    assert second.step == 0
    assert second.evaluate()["held_out_loss"] == pytest.approx(loss, rel=5e-3)
    # In another scaling the loss is another, but not the prediction.
    other = "center" if scaling == "whiten" else "whiten"
    third = trainer(
        first.change(init_from=str(tmp_path / "out"), target_scaling=other),
        tmp_path / "third",
    )
    batch = second.batches.held_out(0, 4, 64)
    with torch.inference_mode():
        predictions = [unscaled(run.targets, predicted(run, batch)) for run in (second, third)]
    torch.testing.assert_close(*predictions, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_a_run_goes_on_with_the_predictor_of_a_checkpoint(config: PretrainConfig, tmp_path: Path) -> None:
    first = config.change(object_weight=1.0, precision="float32")
    with torch.inference_mode(False):
        pretrain(first, tmp_path / "first", QUIET)
    start = checkpoints(tmp_path / "first")[-1]
    make_cache(tmp_path / "cache", seed=1)
    again = first.change(init_from=str(start), seed=9)
    expected = trainer(first, tmp_path / "first")
    batch = expected.batches.held_out(0, 4, 64)
    for name, changed in (
        ("scaling", again.change(target_scaling="whiten")),
        ("cache", again.change(cache=str(tmp_path / "cache"))),
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
    pretrain(config.change(steps=1), tmp_path / "first", QUIET)
    start = checkpoints(tmp_path / "first")[-1]
    make_cache(tmp_path / "cache", teacher={**TEACHER, "embedding": "mean"})
    other = config.change(init_from=str(start), cache=str(tmp_path / "cache"))
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
    start = config.change(init_from=str(tmp_path / "out"))
    caplog.set_level("INFO")
    for name, changed, reason in (
        ("deeper", start.change(predictor_depth=2), "its own is PredictorConfig"),
        ("other", start.change(cache=str(tmp_path / "cache")), "its teacher is blobs, embedding cls"),
        ("learnable", start.change(learnable_teacher=True), "the teacher is learnable"),
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
    pretrain(config.change(steps=1), tmp_path / "first", QUIET)
    export(tmp_path / "first", tmp_path / "out")
    released = model_files.read_config(tmp_path / "out")
    assert released.predictor is not None
    assert released.predictor.teacher_sha256 == TEACHER["weights_sha256"]
    caplog.set_level("INFO")

    def taken(name: str, teacher: object) -> str:
        make_cache(tmp_path / name / "cache", teacher=teacher)
        caplog.clear()
        start = config.change(init_from=str(tmp_path / "out"), cache=str(tmp_path / name / "cache"))
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


@pytest.mark.parametrize("scaling", ["standardize", "whiten"])
@torch.inference_mode()
def test_a_release_answers_for_each_of_several_teachers(
    tmp_path: Path, scaling: TargetScaling, caplog: pytest.LogCaptureFixture
) -> None:
    with torch.inference_mode(False):
        make_cache(tmp_path / "cache", teacher=TEACHERS, parts=PARTS)
        config = CONFIG.change(cache=str(tmp_path / "cache"), target_scaling=scaling, contrast_with="cache")
        pretrain(config, tmp_path / "run", QUIET)
        export(tmp_path / "run", tmp_path / "out")
    run, released = trainer(config, tmp_path / "run"), CrossJEPA.from_pretrained(tmp_path / "out")
    assert [(each.name, each.embedding, each.width) for each in released.prediction.teachers] == [
        ("blobs", "cls", 10),
        ("lumps", "layers", 6),
    ]
    batch = run.batches.held_out(0, 4, 64)
    expected_BVD = unscaled(run.targets, predicted(run, batch))
    azimuth_BV, elevation_BV = (batch.pose_BV3[..., place].rad2deg() for place in (0, 1))
    view = (batch.points_BN3, azimuth_BV, elevation_BV, batch.pose_BV3[..., 2], batch.histogram_BVH)
    found = released.predict_view(*view)
    assert list(found) == ["blobs", "lumps"]
    for name, (start, end) in PARTS.items():
        expected = expected_BVD[..., start:end]
        spread = (expected - run.targets.mean_D[start:end]).norm()
        assert float((found[name] - expected).norm() / spread) < 5e-3
        assert torch.equal(released.predict_view(*view, teacher=name), found[name])
    caplog.set_level("INFO")
    again = config.change(init_from=str(tmp_path / "out"))
    trainer(again, tmp_path / "again")
    assert "out: its encoder and predictor" in caplog.text
    make_cache(tmp_path / "one")
    trainer(again.change(cache=str(tmp_path / "one")), tmp_path / "with one")
    assert (
        "(its teachers are blobs, embedding cls, weights 0 + lumps, embedding layers, weights 1, "
        "not blobs, embedding cls, weights 0)"
    ) in caplog.text
    begin = config.change(init_from=str(checkpoints(tmp_path / "run")[-1]), cache=str(tmp_path / "swapped"))
    make_cache(tmp_path / "swapped", teacher=TEACHERS[::-1], parts={"lumps": (0, 6), "blobs": (6, 16)})
    with pytest.raises(
        ValueError, match=r"its teachers are blobs, .* not lumps, embedding layers, weights 1"
    ):
        trainer(begin, tmp_path / "from swapped")
