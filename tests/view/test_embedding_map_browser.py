"""The map in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.view.embedding_map import make_map, write_map
from tests.helpers.browser import PHONE, opened
from tests.helpers.finetune_data import write_folder

pytestmark = pytest.mark.browser
pytest.importorskip("plotly", reason="pages need the extra `view`")


def test_shapes_show_themselves_under_the_pointer(base: CrossJEPAEncoder, tmp_path: Path) -> None:
    found = make_map(base, sorted(write_folder(tmp_path / "data", 3).rglob("*.*")))
    write_map(tmp_path / "map.html", found)
    for size in (None, PHONE):
        with opened(tmp_path / "map.html", *([size] if size else [])) as tab:
            assert tab.locator(".points path").count() == 9
            assert tab.locator(".imagelayer image, .layer-above image").count() >= 9
            box = tab.locator(".points path").first.bounding_box()
            tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            tab.wait_for_selector("#peek:not([hidden])")
            assert any(name in tab.inner_text("#peek") for name in found.names)
            assert tab.get_attribute("#peek img", "src").startswith("data:image/png;base64,")
            tab.click("text=Folders")
            assert "horse (3)" in tab.inner_text("#plot") or "horse (3)" in tab.inner_html("#plot")
            assert tab.evaluate("document.documentElement.scrollWidth") <= tab.evaluate("innerWidth")
