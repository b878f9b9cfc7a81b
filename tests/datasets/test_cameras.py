"""Tables of cameras, as the data sets write them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import open_dataset
from crossjepa.datasets.cameras import METADATA, POSE_FIELDS, R2N2, Layout, disn
from crossjepa.io import PointCloudError
from crossjepa.train.render.render_files import render_files
from crossjepa.train.render.views import RenderConfig
from tests.conftest import SAMPLES


@pytest.mark.parametrize(
    ("layout", "line"),
    [(R2N2, "60 25 0 0.8 25"), (disn("easy"), "[60,25,0,0.8,35,32,1.75,0,0,0], ")],
)
def test_both_formats_of_blender_give_the_same_pose(tmp_path: Path, layout: Layout, line: str) -> None:
    (tmp_path / METADATA).write_text(f"{line}\n{line}\n")
    files, poses_V5 = layout.read(tmp_path)
    assert files == ["00.png", "01.png"]
    pose = dict(zip(POSE_FIELDS, poses_V5[1].tolist(), strict=True))
    # A lens of 35 mm before a sensor of 32 mm, and a distance in radii of an object with a diagonal of 1.
    expected = {"azimuth": 30, "elevation": 25, "roll": 0, "distance": 2.8, "fov": 49.134}
    assert pose == pytest.approx(expected, abs=1e-3)
    assert poses_V5.dtype == np.float32


def test_tables_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(PointCloudError, match=r"rendering_metadata\.txt: cannot be read"):
        R2N2.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"azimuth": float("nan")}, "camera of view 1 is not finite"),
        ({"distance": 1e300}, "camera of view 1 is not finite"),
        ({"distance": 0}, "the distance of view 1 is not positive"),
        ({"elevation": "12"}, "elevation is '12', not a number"),
        ({"elevation": None}, "elevation is None, not a number"),
        ({"roll": True}, "roll is True, not a number"),
        ({"fov": 10**400}, "cannot be read"),
        ({"image": None}, "cannot be read"),
    ],
)
def test_cameras_that_cannot_be_are_refused(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    config = RenderConfig(rig="mvcnn12", image_size=16, stored_points=32)
    for name in ("chair", "horse"):
        render_files([SAMPLES / f"{name}.obj"], tmp_path, config)
    path = tmp_path / "chair" / "views.json"
    described = json.loads(path.read_text())
    described["views"][1].update(change)
    path.write_text(json.dumps(described))
    dataset = open_dataset([tmp_path])
    with pytest.raises(PointCloudError, match=reason) as raised:
        dataset[0]
    assert str(path) in str(raised.value)
    assert dataset[1].renderings is not None
