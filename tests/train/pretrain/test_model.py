"""The model: its losses, their sum, and the keys of its checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crossjepa.train.cache import open_cache
from crossjepa.train.common.distributed import process_group
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.config import RunOptions
from crossjepa.train.pretrain.losses import occupancy
from crossjepa.train.pretrain.model import PretrainModel
from crossjepa.train.pretrain.trainer import Trainer
from tests.helpers.small_cache import CONFIG, make_cache


def test_the_others_are_the_objects_trained_on(tmp_path: Path) -> None:
    make_cache(tmp_path / "cache")
    config = CONFIG.change(cache=str(tmp_path / "cache"), contrast_with="cache", target_scaling="whiten")
    with process_group("cpu") as process:
        trainer = Trainer(config, tmp_path / "run", process, RunOptions(device="cpu", progress=False))
    assert trainer.model.contrast is not None
    cache = open_cache(config.data.cache)
    rows = Batches(cache, config).train_rows
    means_MD = trainer.targets(torch.from_numpy(cache.embeddings_of(rows))).mean(dim=1)
    torch.testing.assert_close(
        trainer.model.contrast.objects_MD, torch.nn.functional.normalize(means_MD, dim=-1)
    )
    assert "contrast.objects_MD" not in trainer.model.state_dict()
    assert "contrast.objects_MD" not in dict(trainer.model.named_buffers())


def test_the_first_channels_of_the_mean_token_learn_the_occupancy(tmp_path: Path) -> None:
    make_cache(tmp_path / "cache")
    config = CONFIG.change(cache=str(tmp_path / "cache"), occupancy_weight=2.0, occupancy_nodes=2, steps=30)
    assert config.run.steps > CONFIG.run.steps
    with process_group("cpu") as process:
        trainer = Trainer(config, tmp_path / "run", process, RunOptions(device="cpu", progress=False))
    batch = trainer.batches(0)
    wanted_BL = occupancy(batch.points_BN3, 2)

    def error() -> float:
        trainer.model.eval()
        with torch.inference_mode():
            mean_BC = trainer.model.encoder(batch.points_BN3).tokens.mean(dim=1)
        trainer.model.train()
        return float((mean_BC[:, :8] - wanted_BL).square().mean())

    first = error()
    rows = [trainer.update(step) for step in range(config.run.steps)]
    parts = rows[0]["view_loss"] + config.loss.object_weight * rows[0].get("object_loss", 0.0)
    parts += config.loss.contrast_weight * rows[0].get("contrast_loss", 0.0)
    assert rows[0]["loss"] == pytest.approx(parts + 2.0 * rows[0]["occupancy_loss"], rel=1e-5)
    assert error() < 0.5 * first


def test_checkpoints_of_all_losses_have_the_keys_they_have_always_had() -> None:
    losses = {"learnable_teacher": True, "points_weight": 1.0, "occupancy_weight": 1.0, "occupancy_nodes": 2}
    names = list(PretrainModel(CONFIG.change(**losses), 16).state_dict())
    heads = [name for name in names if not name.startswith(("encoder.", "predictor."))]
    assert heads == [
        "teacher_layer.weight",
        "teacher_layer.bias",
        "object_head.weight",
        "object_head.bias",
        "contrast.log_scale",
        "contrast.readout.weight",
        "contrast.readout.bias",
        "points_head.0.weight",
        "points_head.0.bias",
        "points_head.2.weight",
        "points_head.2.bias",
    ]


def test_a_frozen_encoder_stays_in_evaluation_mode() -> None:
    model = PretrainModel(CONFIG, 16)
    model.freeze_encoder(True)
    model.train()
    assert (model.encoder.training, model.predictor.training) == (False, True)
    assert not any(value.requires_grad for value in model.encoder.parameters())
    model.freeze_encoder(False)
    assert model.encoder.training
