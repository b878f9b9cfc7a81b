"""Phases and what learns in them."""

from __future__ import annotations

import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.config import HeadConfig
from crossjepa.train.finetune import FinetuneConfig
from crossjepa.train.finetune.phases import make_optimizer, phases_of


def test_learning_rates_fall_from_the_head_down(tiny: CrossJEPAEncoder) -> None:
    tiny.reset_classifier(HeadConfig("classification", ("a", "b"), hidden=16))
    (phase,) = phases_of(FinetuneConfig.of(frozen_epochs=0, layer_decay=0.5))
    optimizer, learning = make_optimizer(tiny, phase, 0.05)
    assert {id(value) for value in learning} == {id(value) for value in tiny.parameters()}
    optimizer.step(phase.learning_rate)
    rates = {
        id(parameter): group["lr"]
        for group in optimizer.optimizers[0].param_groups
        for parameter in group["params"]
    }
    rate = {name: rates[id(value)] for name, value in tiny.named_parameters()}
    head, norm = rate["head.layers.0.weight"], rate["network.norm.weight"]
    last, first = rate["network.blocks.1.mlp.0.weight"], rate["network.blocks.0.mlp.0.weight"]
    assert head == pytest.approx(phase.learning_rate)
    assert head > norm == last > first > rate["network.patch_embedding.out.weight"]
    assert first == pytest.approx(last / 2)


def test_only_the_head_learns_at_first(tiny: CrossJEPAEncoder) -> None:
    tiny.reset_classifier(HeadConfig("classification", ("a", "b"), hidden=16))
    optimizer, learning = make_optimizer(tiny, phases_of(FinetuneConfig())[0], 0.05)
    named = {id(value): name for name, value in tiny.named_parameters()}
    assert {named[id(value)].split(".")[0] for value in learning} == {"head"}
    assert not tiny.network.norm.weight.requires_grad
    assert len(optimizer.optimizers) == 1


def test_random_weights_skip_the_head_and_learn_at_their_own_rate() -> None:
    config = FinetuneConfig.of(learning_rate=1e-4, scratch_learning_rate=1e-3)
    head, whole = phases_of(config)
    assert (head.frozen, whole.frozen) == (True, False)
    assert (whole.learning_rate, whole.layer_decay) == (1e-4, config.optim.layer_decay)
    (scratch,) = phases_of(config.change(from_scratch=True))
    assert not scratch.frozen
    assert (scratch.learning_rate, scratch.layer_decay, scratch.epochs) == (1e-3, 1.0, config.schedule.epochs)
    assert [phase.name for phase in phases_of(config.change(epochs=0))] == ["head"]
