"""A network with a head: timm's verbs, and a state that does not say how the classes are nested."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from crossjepa import CrossJEPAEncoder, NoHeadError
from crossjepa.config import NAMED_SIZES, HeadConfig
from crossjepa.models.encoder_with_head import EncoderWithHead
from crossjepa.models.heads import ClassificationHead, PartHead
from crossjepa.models.point_encoder import PointEncoder

SIZE = NAMED_SIZES["crossjepa-test"]
CLASSES = HeadConfig("classification", ("a", "b", "c"), hidden=16)
PARTS = HeadConfig("partseg", ("a", "b"), ("a/0", "a/1", "b/0"), ((0, 1), (2,)), hidden=16)


def make(head: HeadConfig | None = CLASSES, seed: int = 0) -> EncoderWithHead:
    torch.manual_seed(seed)
    return EncoderWithHead(SIZE, head).eval()


def points(batch: int = 2) -> Tensor:
    return torch.randn(batch, 50, 3, generator=torch.Generator().manual_seed(0))


def test_keys_are_those_of_the_network_and_the_head() -> None:
    model = make()
    network = list(PointEncoder(SIZE).state_dict())
    head = [f"head.{name}" for name in model.require_head().state_dict()]
    assert list(model.state_dict()) == network + head
    assert list(make(None).state_dict()) == network
    bare = PointEncoder(SIZE)
    bare.load_state_dict(make(None).state_dict(), strict=True)
    parameters = dict(model.named_parameters())
    for name, value in model.state_dict(keep_vars=True).items():
        if isinstance(value, nn.Parameter):
            assert parameters[name if name.startswith("head.") else f"network.{name}"] is value


def unpickled(module: nn.Module) -> nn.Module:
    copied: nn.Module = pickle.loads(pickle.dumps(module))
    return copied


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("copied", [nn.Module.eval, copy.deepcopy, unpickled])
def test_states_go_in_and_out_alone_and_nested(
    copied: Callable[[nn.Module], nn.Module], nested: bool
) -> None:
    models = [make(seed=seed) for seed in (1, 2)]
    source, target = (
        copied(nn.ModuleDict({"first": nn.Linear(2, 2), "encoder": model}) if nested else model)
        for model in models
    )
    state = {name: value.clone() for name, value in source.state_dict().items()}
    assert not any("network" in name for name in state)
    target.load_state_dict(state, strict=True)
    for name, value in target.state_dict().items():
        assert torch.equal(value, state[name]), name
    wrong = "encoder.network.norm.weight" if nested else "network.norm.weight"
    with pytest.raises(RuntimeError, match="Unexpected key"):
        target.load_state_dict({**state, wrong: torch.zeros(24)}, strict=True)


def test_states_are_assigned_to_a_model_without_storage() -> None:
    source = make()
    with torch.device("meta"):
        target = EncoderWithHead(SIZE, CLASSES)
    assert target.device.type == "meta"
    target.load_state_dict(source.state_dict(), strict=True, assign=True)
    assert target.device.type == "cpu"
    torch.testing.assert_close(target.eval()(points()).pooled, source(points()).pooled)


def test_missing_keys_are_named() -> None:
    state = make().state_dict()
    del state["norm.weight"], state["head.layers.0.bias"]
    with pytest.raises(RuntimeError, match=r"norm\.weight") as caught:
        make().load_state_dict(state)
    assert "head.layers.0.bias" in str(caught.value)


def test_the_verbs_are_those_of_the_network() -> None:
    model = make()
    output, expected = model(points()), model.network(points())
    torch.testing.assert_close(output.pooled, expected.pooled)
    torch.testing.assert_close(model.forward_features(points()), expected.tokens)
    final, every = model.forward_intermediates(points())
    torch.testing.assert_close(final, expected.tokens)
    assert len(every) == SIZE.depth
    (last,) = model.get_intermediate_layers(points(), norm=True)
    torch.testing.assert_close(last, expected.tokens)
    model.set_grad_checkpointing()
    assert model.network.grad_checkpointing
    assert (model.num_features, model.config) == (SIZE.width, SIZE)


def test_heads_are_replaced_and_removed() -> None:
    model = make(None)
    assert model.get_classifier() is None
    assert (model.classes, model.part_names, model.class_parts) == ((), (), ())
    model.to(torch.float64).reset_classifier(CLASSES)
    assert isinstance(model.get_classifier(), ClassificationHead)
    assert {value.dtype for value in model.parameters()} == {torch.float64}
    assert model.classes == CLASSES.classes
    model.reset_classifier(PARTS)
    assert isinstance(model.get_classifier(), PartHead)
    assert (model.part_names, model.class_parts) == (PARTS.part_names, PARTS.class_parts)
    model.reset_classifier(0)
    assert model.head is None and model.head_config is None
    with pytest.raises(NoHeadError, match="has no head"):
        model.forward_head(model(points()))
    with pytest.raises(TypeError, match="names its classes, not 10"):
        model.reset_classifier(10)  # type: ignore[arg-type]


def test_heads_score_what_they_read() -> None:
    model = make(CLASSES)
    scores_BK = model.forward_head(model.head_features(points()))
    assert scores_BK.shape == (2, 3)
    torch.testing.assert_close(model.forward_head(model(points(), pool="max")), scores_BK)
    mask_BN = torch.arange(50) < torch.tensor([[50], [20]])
    masked_BK = model.forward_head(model.head_features(points(), mask_BN))
    torch.testing.assert_close(model.forward_head(model(points(), mask_BN)), masked_BK)
    model = make(PARTS)
    features = model.head_features(points())
    scores_BQP = model.forward_head(features, torch.randn(2, 7, 3), torch.tensor([0, 1]))
    assert scores_BQP.shape == (2, 7, 3)
    with pytest.raises(TypeError, match="pass what head_features"):
        model.forward_head(model(points()), torch.randn(2, 7, 3), torch.tensor([0, 1]))


def test_timms_layer_decay_sees_the_depth_behind_the_prefix() -> None:
    from timm.optim._param_groups import param_groups_layer_decay

    model = make(CLASSES)
    groups = param_groups_layer_decay(model, 0.05, model.no_weight_decay(), layer_decay=0.5)
    scale = {id(value): group["lr_scale"] for group in groups for value in group["params"]}
    by_name = {name: scale[id(value)] for name, value in model.named_parameters()}
    assert len(by_name) == len(list(model.parameters()))
    assert by_name["head.layers.0.weight"] == 1
    assert by_name["network.norm.weight"] == by_name["network.blocks.1.mlp.0.weight"] == 0.5
    assert by_name["network.blocks.0.mlp.0.weight"] == 0.25
    assert by_name["network.patch_embedding.out.weight"] == by_name["network.position_mlp.0.weight"] == 0.125


def test_clouds_that_are_not_normalized_are_warned_of(tiny: CrossJEPAEncoder) -> None:
    cloud_1N3 = torch.nn.functional.normalize(torch.randn(1, 64, 3), dim=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny(cloud_1N3)
        tiny(1.3 * cloud_1N3)
        tiny.encode(1000 * cloud_1N3[0].numpy())
        torch.export.export(tiny, (100 * cloud_1N3,), strict=False)
    for factor in (100, 0.01):
        with pytest.warns(UserWarning, match="call `encode`, or `preprocess` before `forward`") as caught:
            tiny(factor * cloud_1N3)
        assert caught[0].filename == __file__
    tiny.expects_unit_sphere = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny(100 * cloud_1N3)
