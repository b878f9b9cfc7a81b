"""CrossJEPA: strict loading, and embeddings of views nobody rendered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from crossjepa import CrossJEPA, CrossJEPAEncoder, WeightsError
from crossjepa.model_card import model_card
from crossjepa.model_files import CONFIG_NAME, PREDICTOR_NAME, WEIGHTS_NAME
from tests.helpers.tiny_weights import (
    fingerprint,
    make_encoder,
    make_view_model,
    of_two_teachers,
    saved_files,
)


def clouds(batch: int = 3, points: int = 64) -> Tensor:
    points_BN3 = torch.randn(batch, points, 3, generator=torch.Generator().manual_seed(1))
    return torch.div(points_BN3, points_BN3.norm(dim=-1).amax(dim=1)[:, None, None])


# ----------------------------------------------------------------------------------------------------
# Files


def test_save_and_load_are_exact(tmp_path: Path) -> None:
    model = make_view_model()
    written = saved_files(model, tmp_path / "made" / "here")
    assert sorted(written) == [CONFIG_NAME, WEIGHTS_NAME, PREDICTOR_NAME]
    loaded = CrossJEPA.from_pretrained(tmp_path / "made" / "here")
    assert fingerprint(loaded) == fingerprint(model)
    assert loaded.model_config == model.model_config
    assert not loaded.training
    assert saved_files(loaded, tmp_path / "again") == written


def test_the_encoder_does_not_know_of_the_predictor(tmp_path: Path) -> None:
    alone = saved_files(make_encoder(), tmp_path / "alone")
    both = saved_files(make_view_model(), tmp_path / "both")
    assert both[WEIGHTS_NAME] == alone[WEIGHTS_NAME]
    (tmp_path / "both" / PREDICTOR_NAME).write_bytes(b"garbage")
    encoder = CrossJEPAEncoder.from_pretrained(tmp_path / "both")
    assert fingerprint(encoder) == fingerprint(make_encoder())
    encoder.save_pretrained(tmp_path / "both")
    assert {path.name: path.read_bytes() for path in (tmp_path / "both").iterdir()} == alone


def test_the_training_of_a_predictor_is_told_of_with_it_only(tmp_path: Path) -> None:
    made = make_view_model()
    model = CrossJEPA(made.encoder, made.prediction, {"steps": 7})
    written = saved_files(model, tmp_path / "both")
    loaded = CrossJEPA.from_pretrained(tmp_path / "both")
    assert loaded.model_config.provenance["predictor"] == {"steps": 7}
    assert saved_files(loaded, tmp_path / "again") == written
    alone = saved_files(make_encoder(), tmp_path / "alone")
    for encoder in (loaded.encoder, CrossJEPAEncoder.from_pretrained(tmp_path / "both")):
        assert saved_files(encoder, tmp_path / "encoder") == alone


def test_weights_without_a_predictor(tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=rf"these weights have no predictor: has no {PREDICTOR_NAME}"):
        CrossJEPA.from_pretrained(tmp_path)


def refused(folder: Path, name: str) -> str:
    """Returns the reason for which a folder is refused; the message must name the file."""
    with pytest.raises(WeightsError) as caught:
        CrossJEPA.from_pretrained(folder)
    assert caught.value.source == str(folder / name)
    return caught.value.reason


def change_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> str:
    make_view_model().save_pretrained(folder)
    tensors = load_file(folder / PREDICTOR_NAME)
    change(tensors)
    save_file(tensors, folder / PREDICTOR_NAME)
    return refused(folder, PREDICTOR_NAME)


def change_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    make_view_model().save_pretrained(folder)
    values = json.loads((folder / CONFIG_NAME).read_text())
    change(values["predictor"])
    (folder / CONFIG_NAME).write_text(json.dumps(values))
    return refused(folder, CONFIG_NAME)


def test_tensors_must_fit(tmp_path: Path) -> None:
    reason = change_tensors(tmp_path, lambda tensors: tensors.update(other=tensors.pop("head.bias")))
    assert "missing: head.bias" in reason and "unexpected: other" in reason
    reason = change_tensors(tmp_path, lambda tensors: tensors.update({"head.bias": torch.zeros(5)}))
    assert "head.bias (5,), expected (10,)" in reason
    reason = change_tensors(tmp_path, lambda tensors: tensors["head.bias"][3:4].fill_(torch.inf))
    assert "head.bias" in reason and "not finite" in reason
    make_view_model().save_pretrained(tmp_path)
    (tmp_path / PREDICTOR_NAME).write_bytes((tmp_path / PREDICTOR_NAME).read_bytes()[:-1])
    assert "not a complete safetensors file" in refused(tmp_path, PREDICTOR_NAME)


def test_config_must_be_possible(tmp_path: Path) -> None:
    assert "color" in change_config(tmp_path, lambda values: values.update(color=1))
    assert "color" in change_config(tmp_path, lambda values: values["network"].update(color=1))
    assert "missing field(s) ['teacher']" in change_config(tmp_path, lambda values: values.pop("teacher"))
    assert "num_heads" in change_config(tmp_path, lambda values: values["network"].update(num_heads=0))
    assert "48 bins" in change_config(tmp_path, lambda values: values["histogram"].pop())
    assert "distance" in change_config(tmp_path, lambda values: values.update(distance=-1.0))
    assert "each of type float" in change_config(
        tmp_path, lambda values: values["histogram"].__setitem__(0, "x")
    )
    assert "histogram" in change_config(tmp_path, lambda values: values.update(histogram=3))


def test_predictor_without_its_section(tmp_path: Path) -> None:
    make_view_model().save_pretrained(tmp_path)
    values = json.loads((tmp_path / CONFIG_NAME).read_text())
    del values["predictor"]
    (tmp_path / CONFIG_NAME).write_text(json.dumps(values))
    with pytest.raises(WeightsError, match=r"no predictor: config\.json says nothing of one"):
        CrossJEPA.from_pretrained(tmp_path)


# ----------------------------------------------------------------------------------------------------
# Views


@pytest.mark.parametrize("apart", [False, True])
def test_views_are_what_the_network_makes_of_radians(apart: bool) -> None:
    model, points_BN3 = make_view_model(joint_attention=apart, camera_positions=apart), clouds()
    azimuth_BV = torch.tensor([[0.0, 90.0], [10.0, -20.0], [180.0, 370.0]])
    histogram_BVH = torch.rand(3, 2, 48)
    several = model.predict_view(points_BN3, azimuth_BV, 20, distance=2.5, histogram=histogram_BVH)
    assert several.shape == (3, 2, 10)
    assert several.dtype == torch.float32
    pose_BV3 = torch.stack(
        [azimuth_BV.deg2rad(), torch.full((3, 2), 20.0).deg2rad(), torch.full((3, 2), 2.5)], dim=-1
    )
    with torch.inference_mode():
        encoded = model.encoder(points_BN3)
        expected = model.predictor(encoded.tokens, encoded.centers, pose_BV3, histogram_BVH)
    torch.testing.assert_close(several, expected)
    alone = model.predict_view(points_BN3, azimuth_BV[:, 1], 20.0, 2.5, histogram_BVH[:, 1].numpy())
    torch.testing.assert_close(alone, several[:, 1], rtol=1e-4, atol=1e-5)
    turned = model.predict_view(points_BN3, azimuth_BV[:, 1] + 360, 20.0, 2.5, histogram_BVH[:, 1])
    torch.testing.assert_close(turned, alone, rtol=1e-3, atol=1e-4)


def test_the_view_where_none_is_given_is_that_of_the_config() -> None:
    model, points_BN3 = make_view_model(), clouds()
    given = model.predict_view(points_BN3, 30, 20, 3.0, torch.tensor(model.prediction.histogram))
    torch.testing.assert_close(model.predict_view(points_BN3.numpy(), np.float64(30), 20), given)
    assert given.shape == (3, 10)
    for other in (
        model.predict_view(points_BN3, 31, 20),
        model.predict_view(points_BN3, 30, 21),
        model.predict_view(points_BN3, 30, 20, 2.9),
        model.predict_view(points_BN3, 30, 20, histogram=torch.ones(48)),
    ):
        assert not torch.allclose(other, given, atol=1e-5)


def test_weights_of_several_teachers_answer_for_each(tmp_path: Path) -> None:
    model, points_BN3 = make_view_model(), clouds()
    of_two_teachers(model).save_pretrained(tmp_path)
    several = CrossJEPA.from_pretrained(tmp_path)
    whole = model.predict_view(points_BN3, 30, 20)
    found = several.predict_view(points_BN3, 30, 20)
    assert list(found) == ["blobs", "lumps"]
    assert torch.equal(found["blobs"], whole[:, :6])
    assert torch.equal(several.predict_view(points_BN3, 30, 20, teacher="lumps"), whole[:, 6:])
    views = several.predict_view(points_BN3, torch.zeros(3, 5), 20)
    assert [tuple(views[name].shape) for name in views] == [(3, 5, 6), (3, 5, 4)]
    assert torch.equal(model.predict_view(points_BN3, 30, 20, teacher="blobs"), whole)
    card = model_card(several.model_config, "org/two")
    assert "# what blobs and lumps would see in a picture from the front" in card
    assert '# {"blobs": (1, 6), "lumps": (1, 4)} float32' in card
    with pytest.raises(ValueError, match="no teacher 'dino'; these weights learned from blobs, lumps"):
        several.predict_view(points_BN3, 30, 20, teacher="dino")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"azimuth": torch.zeros(2)}, r"azimuth of shape \(2,\) does not fit 3 clouds, 1 views"),
        ({"elevation": torch.zeros(3, 4), "distance": torch.ones(3, 2)}, r"distance of shape \(3, 2\)"),
        ({"azimuth": torch.zeros(3, 1, 1)}, "azimuth of shape"),
        ({"histogram": torch.zeros(3, 16)}, "histogram must have 48 bins"),
        ({"histogram": torch.zeros(2, 48)}, r"histogram of shape \(2, 48\)"),
        ({"points_BN3": torch.zeros(3, 5, 2)}, r"points must have shape \(B, N, 3\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(arguments: dict[str, Tensor], message: str) -> None:
    every: dict[str, Any] = {"points_BN3": clouds(), "azimuth": 0, "elevation": 0, **arguments}
    with pytest.raises(ValueError, match=message):
        make_view_model().predict_view(**every)


def test_groups_that_do_not_exist_are_not_seen() -> None:
    """Of five points there are five groups of eight; the others must not reach the predictor."""
    model, points_BN3 = make_view_model(), clouds(points=5)
    before = model.predict_view(points_BN3, 0, 20)

    def spoil(module: object, inputs: object, output: Any) -> Any:
        tokens_BGC = output.tokens.clone()
        tokens_BGC[~output.token_mask] = 1e3
        return output._replace(tokens=tokens_BGC)

    model.encoder.register_forward_hook(spoil)
    torch.testing.assert_close(model.predict_view(points_BN3, 0, 20), before)


def test_mode_stays_and_gradients_reach_the_points() -> None:
    model, points_BN3 = make_view_model().train(), clouds()
    before = fingerprint(model)
    model.predict_view(points_BN3, 0, 20)
    assert model.training
    assert fingerprint(model) == before
    points_BN3.requires_grad_()
    model.eval()(points_BN3, torch.zeros(3, 1, 3), torch.zeros(3, 1, 48)).square().sum().backward()
    assert points_BN3.grad is not None and points_BN3.grad.abs().sum() > 0


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float16, 0.01)])
def test_low_precision_is_close(tmp_path: Path, dtype: torch.dtype, tolerance: float) -> None:
    model = make_view_model()
    model.save_pretrained(tmp_path)
    low = CrossJEPA.from_pretrained(tmp_path, dtype=dtype)
    assert low.predictor.query.dtype == dtype
    azimuth_BV = torch.arange(0, 360, 15.0).expand(3, -1)
    expected, found = (each.predict_view(clouds(), azimuth_BV, 20) for each in (model, low))
    assert found.dtype == torch.float32
    assert (found - expected).norm() / expected.norm() < tolerance
