"""The page of shapes, without a browser: what is in it. See test_page_browser.py for what it does."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa.view import Scene, write_page

pytest.importorskip("plotly", reason="pages need the extra `view`")


def test_the_page_holds_points_colors_and_features(scene: Scene, tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", scene, title="Chair <and> horse")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<h1>Chair &lt;and&gt; horse</h1>" in page
    assert "<title>Chair &lt;and&gt; horse</title>" in page
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    assert [shape["name"] for shape in data["shapes"]] == ["chair.obj", "horse.obj"]

    def values(name: str, kind: str) -> Any:
        return np.frombuffer(base64.b64decode(data["shapes"][0][name]), kind)

    chair = scene.shapes[0]
    points = values("points", "<i2").reshape(-1, 3) * data["shapes"][0]["span"] / 32767
    np.testing.assert_allclose(points, chair.points_N3, atol=1e-4)
    assert (values("colors", "u1").reshape(-1, 3) == chair.colors_N3).all()
    coordinates = values("features", "i1").reshape(400, -1) * np.array(data["scale"])
    np.testing.assert_allclose(coordinates, chair.coordinates_ND, atol=max(data["scale"]))
    # Eight bits are enough for cosines.
    ours, true = (
        each / np.linalg.norm(each, axis=1, keepdims=True) for each in (coordinates, chair.coordinates_ND)
    )
    assert np.abs(ours @ ours.T - true @ true.T).max() < 0.02
