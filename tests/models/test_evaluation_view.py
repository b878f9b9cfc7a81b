"""Evaluation that neither changes the mode of a model nor depends on it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crossjepa import CrossJEPAEncoder
from crossjepa.config import HeadConfig
from crossjepa.models.evaluation_view import evaluation_view
from tests.helpers.heads import CLASSES, PARTS, with_head
from tests.helpers.tiny_weights import make_encoder, make_view_model


def clouds(count: int = 6) -> list[np.ndarray]:
    """Clouds of different sizes."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(int(rng.integers(20, 200)), 3)) for _ in range(count)]


def modes(model: nn.Module) -> dict[str, bool]:
    """The mode of every part of a model."""
    return {name: part.training for name, part in model.named_modules()}


def state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the parameters and running statistics of a model."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_a_view_shares_tensors_and_sees_their_changes() -> None:
    encoder = make_encoder().train()
    view = evaluation_view(encoder)
    assert not any(part.training for part in view.modules())
    assert all(part.training for part in encoder.modules())
    pairs = zip(view.named_parameters(), encoder.named_parameters(), strict=True)
    assert all(name == known and mine is theirs for (name, mine), (known, theirs) in pairs)
    points_BN3 = torch.randn(2, 64, 3)
    before = view(points_BN3).pooled
    other = make_encoder(seed=1)
    encoder.load_state_dict(other.state_dict(), assign=True)
    assert not torch.equal(view(points_BN3).pooled, before)
    assert torch.equal(view(points_BN3).pooled, other(points_BN3).pooled)


def test_gradients_flow_through_a_view() -> None:
    encoder = make_encoder().train()
    evaluation_view(encoder)(torch.randn(2, 64, 3)).pooled.sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_hooks_and_replaced_forwards_work_in_a_view() -> None:
    encoder = make_encoder().train()
    heard: list[bool] = []
    encoder.network.blocks[0].register_forward_hook(lambda module, *_: heard.append(module.training))
    norm = encoder.network.norm

    def doubled(self: nn.LayerNorm, values: Tensor) -> Tensor:
        heard.append(self.training)
        return 2 * nn.LayerNorm.forward(self, values)

    points_BN3 = torch.randn(2, 64, 3)
    plain = evaluation_view(encoder)(points_BN3).pooled
    norm.forward = doubled.__get__(norm)  # type: ignore[method-assign]
    torch.testing.assert_close(evaluation_view(encoder)(points_BN3).pooled, 2 * plain)
    assert heard == [False, False, False]


def test_parts_that_are_used_twice_stay_one() -> None:
    layer = nn.BatchNorm1d(3)
    view = evaluation_view(nn.Sequential(layer, nn.ReLU(), layer))
    assert view[0] is view[2]
    assert view[0] is not layer


@pytest.mark.parametrize("compiled", [False, True])
def test_compiled_models(compiled: bool) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    wrapped: nn.Module = torch.compile(model, backend="eager") if compiled else model  # type: ignore[assignment]
    if not compiled:
        model.compile(backend="eager")
    points = torch.randn(5, 3)
    assert evaluation_view(wrapped.eval()) is wrapped
    expected = model.eval()(points)
    wrapped.train()
    assert torch.equal(evaluation_view(wrapped)(points), expected)
    assert wrapped.training


CALLS: dict[str, tuple[HeadConfig | None, Callable[[CrossJEPAEncoder], object]]] = {
    "encode": (None, lambda encoder: encoder.encode(clouds(), batch_size=4)),
    "encode_points": (None, lambda encoder: np.concatenate(encoder.encode_points(clouds()))),
    "predict_proba": (CLASSES, lambda encoder: encoder.predict_proba(clouds(), votes=2)),
    "predict_parts": (PARTS, lambda encoder: encoder.predict_parts(clouds()[0], "a").probabilities_N),
}


@pytest.mark.parametrize("call", CALLS)
def test_nothing_changes_the_mode_or_the_statistics_of_a_model(call: str) -> None:
    head, function = CALLS[call]
    encoder = with_head(make_encoder(), head) if head else make_encoder()
    expected = function(encoder)
    encoder.train()
    encoder.network.patch_embedding.norm_in.eval()  # frozen
    before, statistics = modes(encoder), state(encoder)
    np.testing.assert_array_equal(function(encoder), expected)
    assert modes(encoder) == before
    assert all(torch.equal(value, statistics[name]) for name, value in encoder.state_dict().items())


def test_predict_view_leaves_a_training_model_alone() -> None:
    expected = make_view_model().predict_view(torch.randn(2, 64, 3, generator=torch.Generator()), 0, 0)
    model = make_view_model().train()
    model.encoder.network.patch_embedding.norm_in.eval()
    before, statistics = modes(model), state(model)
    found = model.predict_view(torch.randn(2, 64, 3, generator=torch.Generator()), 0, 0)
    assert torch.equal(found, expected)
    assert modes(model) == before
    assert all(torch.equal(value, statistics[name]) for name, value in model.state_dict().items())


def test_threads_share_a_model_whose_mode_changes() -> None:
    encoder = make_encoder()
    with torch.no_grad():  # statistics unlike those of a batch
        encoder.network.patch_embedding.norm_in.running_mean.normal_()  # type: ignore[union-attr]
    # Rounding may depend on the size of a batch.
    expected = [encoder.encode(clouds(), batch_size=2 + number) for number in range(4)]
    statistics = state(encoder)
    wrong, done = list[int](), threading.Event()

    def work(number: int) -> None:
        for _ in range(10):
            if not np.array_equal(encoder.encode(clouds(), batch_size=2 + number), expected[number]):
                wrong.append(number)

    def toggle() -> None:
        while not done.is_set():
            encoder.train()
            encoder.eval()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    toggler = threading.Thread(target=toggle)
    for thread in (*threads, toggler):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    toggler.join()
    assert wrong == []
    assert all(torch.equal(value, statistics[name]) for name, value in encoder.state_dict().items())
