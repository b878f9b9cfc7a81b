"""Archives of `torch.export` need torch alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa.export.torch_archive import FACTS_NAME, export_torch
from crossjepa.files import write_npz
from tests.helpers.encoders import clouds
from tests.helpers.tiny_weights import make_encoder

# A process that refuses to import this package.
SCRIPT = """
import sys
sys.modules["crossjepa"] = None
import numpy as np
import torch
model = torch.export.load("model.pt2").module()
arrays = np.load("clouds.npz")
with torch.inference_mode():
    features = {name: model(points=torch.from_numpy(arrays[name]))[0] for name in arrays}
np.savez("features.npz", **features)
"""


@pytest.mark.slow
def test_torch_alone_gives_the_same_features(tmp_path: Path) -> None:
    encoder = make_encoder()
    graph = export_torch(encoder, tmp_path / "model.pt2")
    points = {f"{batch} {size}": clouds(batch, size) for batch in (1, 7) for size in (1, 7, 64, 500)}
    write_npz(tmp_path / "clouds.npz", {name: value.numpy() for name, value in points.items()})
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, cwd=tmp_path)
    features = np.load(tmp_path / "features.npz")
    with torch.inference_mode():
        for name, points_BN3 in points.items():
            np.testing.assert_allclose(features[name], encoder(points_BN3).pooled.numpy(), atol=1e-6, rtol=0)
    facts = {FACTS_NAME: ""}
    torch.export.load(tmp_path / "model.pt2", extra_files=facts)
    assert json.loads(facts[FACTS_NAME]) == graph.facts
