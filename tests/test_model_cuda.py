"""Predicted views on a GPU."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa import CrossJEPA
from tests.helpers.cuda import DEVICE, FILES, ON_DEVICE, relative_error
from tests.helpers.tiny_weights import make_view_model, of_two_teachers

pytestmark = ON_DEVICE


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("positions", [False, True])
def test_predicted_views(joint: bool, positions: bool, tmp_path: Path) -> None:
    if positions and not joint:
        pytest.skip("camera positions need joint attention")
    expected = make_view_model(joint_attention=joint, camera_positions=positions)
    moved = copy.deepcopy(expected).to(DEVICE)
    points_BN3 = torch.stack([expected.encoder.preprocess(path) for path in FILES])
    histogram_48 = np.full(48, 1 / 16, np.float32)
    for clouds_BN3 in (points_BN3, points_BN3.to(DEVICE), points_BN3.numpy()):
        for angle in (30.0, torch.linspace(0, 300, len(FILES)), np.linspace(0, 300, 3)[None].repeat(8, 0)):
            found = moved.predict_view(clouds_BN3, angle, 10, histogram=histogram_48)
            assert found.device == moved.encoder.device
            expected_BD = expected.predict_view(points_BN3, angle, 10, histogram=histogram_48)
            assert relative_error(found, expected_BD) < 1e-4
    moved.save_pretrained(tmp_path)
    again = CrossJEPA.from_pretrained(tmp_path, device=DEVICE)
    assert torch.equal(again.predict_view(points_BN3, 5, 5), moved.predict_view(points_BN3, 5, 5))


def test_views_of_two_teachers() -> None:
    moved = of_two_teachers(make_view_model()).to(DEVICE)
    points_BN3 = torch.stack([moved.encoder.preprocess(path) for path in FILES])
    found = moved.predict_view(points_BN3, torch.zeros(len(FILES), 4), 10)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "blobs": (8, 4, 6), "lumps": (8, 4, 4)
    }  # fmt: skip
