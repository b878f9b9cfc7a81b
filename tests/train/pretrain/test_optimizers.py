"""Which parameters decay, which optimizer gets them, and how far a gradient may reach."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from crossjepa.models.point_encoder import PointEncoder
from crossjepa.train.pretrain.config import OptimizerName, PretrainConfig
from crossjepa.train.pretrain.model import PretrainModel
from crossjepa.train.pretrain.optimizers import make_optimizers
from tests.helpers.runs import make_trainer
from tests.helpers.small_cache import CONFIG, WIDTH

OPTIMIZERS: tuple[OptimizerName, ...] = ("adamw", "muon")


class Sparing(PointEncoder):
    """An encoder with matrices that want no decay, one of them inside a block."""

    def no_weight_decay(self) -> set[str]:
        return {"position_mlp.0.weight", "blocks.0.attention.qkv.weight"}


def decays(model: PretrainModel, optimizer: OptimizerName) -> dict[str, float]:
    """The weight decay of every parameter, each of which must be in one group alone."""
    names = {id(value): name for name, value in model.named_parameters()}
    config = CONFIG.change(optimizer=optimizer, weight_decay=0.25)
    found = [
        (names[id(value)], group["weight_decay"])
        for each in make_optimizers(model, config).optimizers
        for group in each.param_groups
        for value in group["params"]
    ]
    assert sorted(name for name, _ in found) == sorted(names.values())
    return dict(found)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_only_matrices_decay(optimizer: OptimizerName) -> None:
    model = PretrainModel(CONFIG.change(points_weight=1.0), WIDTH)
    matrices = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    found = decays(model, optimizer)
    assert {name for name, decay in found.items() if decay == 0.25} == matrices
    rest = {name: decay for name, decay in found.items() if name not in matrices}
    assert set(rest.values()) == {0.0}
    assert {"encoder.norm.weight", "predictor.query", "contrast.log_scale"} <= set(rest)
    assert {"encoder.patch_embedding.norm_in.weight", "encoder.patch_embedding.out.bias"} <= set(rest)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_a_module_names_does_not_decay(optimizer: OptimizerName) -> None:
    model = PretrainModel(CONFIG, WIDTH)
    before = decays(model, optimizer)
    model.encoder.__class__ = Sparing
    after = decays(model, optimizer)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"encoder.{name}" for name in model.encoder.no_weight_decay()}
    assert {after[name] for name in changed} == {0.0}


def first_gradient_norm(config: PretrainConfig, run: Path) -> float:
    """The norm of the gradient that AdamW got in its first step, of which its first moment is a tenth."""
    trainer = make_trainer(config, run)
    trainer.update(0)
    (adamw,) = trainer.optimizers.optimizers
    moments = [state["exp_avg"] for state in adamw.state.values()]
    assert len(moments) == len(list(trainer.model.parameters()))
    return 10 * float(torch.stack([moment.square().sum() for moment in moments]).sum().sqrt())


def test_gradients_are_clipped_by_their_norm(config: PretrainConfig, tmp_path: Path) -> None:
    adamw = config.change(optimizer="adamw", gradient_clip=1e6)
    norm = first_gradient_norm(adamw, tmp_path / "free")
    for clip in (norm / 7, 2 * norm):
        found = first_gradient_norm(adamw.change(gradient_clip=clip), tmp_path / f"{clip}")
        assert found == pytest.approx(min(clip, norm), rel=1e-4)


def test_muon_gets_the_matrices_of_blocks_and_of_the_patch_embedding() -> None:
    model = PretrainModel(CONFIG, WIDTH)
    names = {id(value): name for name, value in model.named_parameters()}
    muon, adamw = make_optimizers(model, CONFIG.change(optimizer="muon")).optimizers
    found = {names[id(value)] for group in muon.param_groups for value in group["params"]}
    assert {"encoder.blocks.0.attention.qkv.weight", "predictor.blocks.0.attention.qkv.weight"} <= found
    assert all(".blocks." in name or ".patch_embedding." in name for name in found)
    assert isinstance(adamw, torch.optim.AdamW)
