"""The moving average of the weights: its formula, and that it is evaluated, kept and exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossjepa import CrossJEPA, CrossJEPAEncoder, model_files
from crossjepa.cli.main import main
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.export import export
from crossjepa.train.pretrain.model import PretrainModel
from crossjepa.train.pretrain.moving_average import final_weights, make_average
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.ends import assert_same_weights
from tests.helpers.runs import QUIET, make_trainer
from tests.helpers.small_cache import CONFIG, WIDTH


@pytest.fixture
def averaged(config: PretrainConfig) -> PretrainConfig:
    return config.change(ema_decay=0.7, contrast_with="cache")


def test_the_average_follows_weights_and_statistics_with_a_growing_decay() -> None:
    model = PretrainModel(CONFIG, WIDTH)
    average = make_average(model, 0.3)
    expected: dict[str, torch.Tensor] = {}
    for step in range(5):
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.normal_(generator=torch.Generator().manual_seed(step)).abs_()
        average.update_parameters(model)
        decay = min(0.3, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                expected[name] = decay * expected.get(name, value) + (1 - decay) * value
    found = average.module.state_dict()
    assert any("running_var" in name for name in found)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.slow
def test_training_itself_is_the_same_with_and_without(
    config: PretrainConfig, averaged: PretrainConfig, tmp_path: Path
) -> None:
    pretrain(averaged, tmp_path / "with", QUIET)
    pretrain(averaged.change(ema_decay=0.0), tmp_path / "without", QUIET)
    states = [load_checkpoint(checkpoints(tmp_path / name)[-1]) for name in ("with", "without")]
    for name, value in states[0]["model"].items():
        assert torch.equal(value, states[1]["model"][name]), name
    assert "average" not in states[1]


@pytest.mark.slow
def test_a_run_in_parts_ends_with_the_same_average(averaged: PretrainConfig, tmp_path: Path) -> None:
    pretrain(averaged, tmp_path / "whole", QUIET)
    for stop in (5, 2, 0):
        pretrain(averaged, tmp_path / "parts", replace(QUIET, stop_after=stop))
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    whole, parts = (load_checkpoint(checkpoints(tmp_path / run)[-1])["average"] for run in ("whole", "parts"))
    assert int(whole["n_averaged"]) == 12
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name
    with pytest.raises(ValueError, match="other values of ema_decay"):
        pretrain(averaged.change(ema_decay=0.5), tmp_path / "parts", QUIET)


def test_the_average_is_evaluated(averaged: PretrainConfig, tmp_path: Path) -> None:
    trainer = make_trainer(averaged, tmp_path)
    assert trainer.average is not None
    at_first = trainer.evaluate()["held_out_loss"]
    plain = make_trainer(averaged.change(ema_decay=0.0), tmp_path / "plain")
    assert at_first == plain.evaluate()["held_out_loss"]
    for step in range(6):
        trainer.update(step)
    found = trainer.evaluate()["held_out_loss"]
    plain.model.load_state_dict(trainer.model.state_dict())
    plain.model.encoder.config = trainer.model.encoder.config
    assert found != plain.evaluate()["held_out_loss"]
    plain.model.load_state_dict(trainer.average.module.state_dict())
    assert found == plain.evaluate()["held_out_loss"]


def test_the_average_is_exported_unless_the_raw_weights_are_asked_for(
    averaged: PretrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain(averaged, tmp_path / "run", QUIET)
    state = load_checkpoint(checkpoints(tmp_path / "run")[-1])
    for words, expected, said in (
        ([], final_weights(state), "moving average"),
        (["--raw"], state["model"], "of the last step"),
    ):
        assert main(["export", str(tmp_path / "run"), "-o", str(tmp_path / "out"), *words]) == 0
        released = CrossJEPA.from_pretrained(tmp_path / "out")
        assert model_files.read_config(tmp_path / "out").provenance["weights"] == said
        for name, value in released.encoder.network.state_dict().items():
            assert torch.equal(value, expected[f"encoder.{name}"].half().to(value.dtype)), name
        query = released.predictor.state_dict()["query"]
        assert torch.equal(query, expected["predictor.query"].half().float())
    name = "encoder.norm.weight"
    assert not torch.equal(final_weights(state)[name], state["model"][name])
    assert capsys.readouterr().err == ""


def test_a_run_that_starts_from_a_checkpoint_takes_its_average(
    averaged: PretrainConfig, tmp_path: Path
) -> None:
    pretrain(averaged, tmp_path / "run", QUIET)
    start = checkpoints(tmp_path / "run")[-1]
    trainer = make_trainer(averaged.change(init_from=str(start)), tmp_path / "next")
    for name, value in final_weights(load_checkpoint(start)).items():
        assert torch.equal(trainer.model.state_dict()[name], value), name
        assert torch.equal(trainer.evaluated.state_dict()[name], value), name


@pytest.mark.slow
def test_a_frozen_encoder_stays_the_same_in_the_average(averaged: PretrainConfig, tmp_path: Path) -> None:
    pretrain(averaged, tmp_path / "run", QUIET)
    before = export(tmp_path / "run", tmp_path / "out").network.state_dict()
    frozen = averaged.change(init_from=str(tmp_path / "out"), frozen_steps=12)
    pretrain(frozen, tmp_path / "frozen", QUIET)
    assert main(["export", str(tmp_path / "frozen"), "-o", str(tmp_path / "out"), "--predictor-only"]) == 0
    after = CrossJEPAEncoder.from_pretrained(tmp_path / "out").network.state_dict()
    for name, value in before.items():
        assert torch.equal(value, after[name]), name
