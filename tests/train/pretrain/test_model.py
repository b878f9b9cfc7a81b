"""What the targets and the contrast do to numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crossjepa.train.cache import open_cache
from crossjepa.train.common.distributed import process_group
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.model import Contrast, Targets
from crossjepa.train.pretrain.occupancy import occupancy
from crossjepa.train.pretrain.trainer import RunOptions, Trainer
from tests.helpers.small_cache import CONFIG, make_cache


def embeddings_RD() -> NDArray[np.float32]:
    """Embeddings that vary 100 times as much along one direction as along the others."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(5000, 8)) * [10, 1, 1, 1, 1, 1, 1, 1]
    rotation = np.linalg.qr(generator.normal(size=(8, 8)))[0]
    return np.asarray(values @ rotation + 3, np.float32)


@pytest.mark.parametrize("scaling", ["standardize", "whiten", "center"])
def test_targets_are_centered_with_mean_variance_one(scaling: str) -> None:
    embeddings = embeddings_RD()
    targets = Targets(embeddings, scaling)(torch.from_numpy(embeddings)[None])[0]  # type: ignore[arg-type]
    torch.testing.assert_close(targets.mean(dim=0), torch.zeros(8), atol=1e-4, rtol=0)
    assert float(targets.var(dim=0).mean()) == pytest.approx(1, abs=1e-3)


def test_whitening_is_done_by_half() -> None:
    embeddings = embeddings_RD()
    scaled, whitened = (
        np.linalg.eigvalsh(np.cov(Targets(embeddings, name)(torch.from_numpy(embeddings)).numpy().T))
        for name in ("standardize", "whiten")
    )
    # The variance along a direction becomes its square root.
    np.testing.assert_allclose(whitened[-1] / whitened[0], np.sqrt(scaled[-1] / scaled[0]), rtol=1e-3)


def test_contrast_with_the_cache_wants_the_teachers_neighbors() -> None:
    objects_MD = torch.nn.functional.normalize(
        torch.randn(50, 16, generator=torch.Generator().manual_seed(0))
    )
    contrast = Contrast(16, 16)
    contrast.compare_with(3 * objects_MD)
    contrast.log_scale.data.fill_(float(np.log(Contrast.TEACHER_SCALE)))
    contrast.requires_grad_(False)
    mean_BD = objects_MD[:4]
    nearness = (Contrast.TEACHER_SCALE * mean_BD @ objects_MD.T).softmax(dim=-1)
    entropy = float(-(nearness * nearness.log()).sum(dim=-1).mean())
    # The loss is never below the entropy of the teacher's distribution, and there for the teacher's own.
    assert float(contrast(mean_BD, mean_BD)) == pytest.approx(entropy, abs=1e-5)
    assert float(contrast(mean_BD.flip(0), mean_BD)) > entropy + 1


def test_the_others_are_the_objects_trained_on(tmp_path: Path) -> None:
    make_cache(tmp_path / "cache")
    config = replace(CONFIG, cache=str(tmp_path / "cache"), contrast_with="cache", target_scaling="whiten")
    with process_group("cpu") as process:
        trainer = Trainer(config, tmp_path / "run", process, RunOptions(device="cpu", progress=False))
    assert trainer.model.contrast is not None
    cache = open_cache(config.cache)
    rows = Batches(cache, config).train_rows
    means_MD = trainer.targets(torch.from_numpy(cache.embeddings_of(rows))).mean(dim=1)
    torch.testing.assert_close(
        trainer.model.contrast.objects_MD, torch.nn.functional.normalize(means_MD, dim=-1)
    )
    assert "contrast.objects_MD" not in trainer.model.state_dict()
    assert "contrast.objects_MD" not in dict(trainer.model.named_buffers())


def test_the_first_channels_of_the_mean_token_learn_the_occupancy(tmp_path: Path) -> None:
    make_cache(tmp_path / "cache")
    config = replace(CONFIG, cache=str(tmp_path / "cache"), occupancy_weight=2.0, occupancy_nodes=2, steps=30)
    assert config.steps > CONFIG.steps
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
    rows = [trainer.update(step) for step in range(config.steps)]
    parts = rows[0]["view_loss"] + config.object_weight * rows[0].get("object_loss", 0.0)
    parts += config.contrast_weight * rows[0].get("contrast_loss", 0.0)
    assert rows[0]["loss"] == pytest.approx(parts + 2.0 * rows[0]["occupancy_loss"], rel=1e-5)
    assert error() < 0.5 * first
