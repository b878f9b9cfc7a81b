"""The predictor, its conditioning, and augmentations that keep poses true."""

from __future__ import annotations

import math

import pytest
import torch

from crossjepa.config import Conditioning, PredictorConfig
from crossjepa.models.predictor import ViewPredictor, camera_rotation, pose_features
from crossjepa.train.render import View


def test_base_predictor_makes_the_reconstructed_total() -> None:
    predictor = ViewPredictor(PredictorConfig(), encoder_width=288)
    encoder_parameters = 8_476_032
    total = encoder_parameters + sum(parameter.numel() for parameter in predictor.parameters())
    assert round(total / 1e6, 1) == 14.1


@pytest.mark.parametrize(("joint", "camera"), [(True, True), (True, False), (False, False)])
@pytest.mark.parametrize("conditioning", ["both", "pose", "histogram", "none"])
def test_predictor_uses_what_it_is_told_and_keeps_views_apart(
    joint: bool, camera: bool, conditioning: Conditioning
) -> None:
    torch.manual_seed(0)
    config = PredictorConfig(
        24, 2, 2, 16, conditioning=conditioning, joint_attention=joint, camera_positions=camera
    )
    predictor = ViewPredictor(config, encoder_width=12)
    tokens, pose, histogram = torch.randn(3, 5, 12), torch.randn(3, 4, 3), torch.rand(3, 4, 48)
    centers = torch.randn(3, 5, 3)
    predicted_BVD = predictor(tokens, centers, pose, histogram)
    assert predicted_BVD.shape == (3, 4, 16)
    alone = predictor(tokens, centers, pose[:, 1:2], histogram[:, 1:2])
    torch.testing.assert_close(predicted_BVD[:, 1:2], alone)
    for used, other in (
        ("pose", predictor(tokens, centers, pose + 1, histogram)),
        ("histogram", predictor(tokens, centers, pose, histogram.flip(-1))),
    ):
        changed = not torch.allclose(other, predicted_BVD, atol=1e-7)
        assert changed == (conditioning in ("both", used) or (camera and used == "pose"))


def test_positions_are_as_the_camera_sees_them() -> None:
    view = View(azimuth=37.0, elevation=21.0, distance=2.9)
    pose = torch.tensor([[[math.radians(37), math.radians(21), 2.9]]])
    torch.testing.assert_close(camera_rotation(pose)[0, 0].double(), torch.from_numpy(view.rotation()))

    torch.manual_seed(0)
    config = PredictorConfig(24, 2, 2, 16, "none", camera_positions=True)
    predictor = ViewPredictor(config, encoder_width=12)
    tokens, centers, histogram = torch.randn(1, 5, 12), torch.randn(1, 5, 3), torch.rand(1, 1, 48)
    # Object and camera turned together about the vertical axis: the picture stays, and so does what is said.
    turned = centers @ torch.from_numpy(View(90.0, 0.0).rotation()).float()
    later = pose + torch.tensor([math.pi / 2, 0.0, 0.0])
    before, after = predictor(tokens, centers, pose, histogram), predictor(tokens, turned, later, histogram)
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(before, predictor(tokens, turned, pose, histogram), atol=1e-4)


def test_azimuth_is_periodic() -> None:
    pose = torch.tensor([[[0.3, 0.2, 2.9]]])
    turned = pose + torch.tensor([2 * math.pi, 0, 0])
    torch.testing.assert_close(pose_features(pose, 8), pose_features(turned, 8), atol=1e-4, rtol=0)
