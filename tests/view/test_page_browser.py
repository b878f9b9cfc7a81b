"""The page of shapes in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.view import Scene, make_scene, write_page
from tests.conftest import SAMPLES
from tests.helpers.browser import PHONE, opened
from tests.helpers.heads import CLASSES, with_head

pytestmark = pytest.mark.browser
pytest.importorskip("plotly", reason="pages need the extra `view`")


@pytest.fixture
def page(scene: Scene, tmp_path: Path) -> Path:
    write_page(tmp_path / "page.html", scene)
    return tmp_path / "page.html"


def marker(tab: Any, number: int = 0) -> dict[str, Any]:
    """What the points of a shape look like."""
    found: dict[str, Any] = tab.evaluate(f"document.querySelectorAll('.plot')[{number}].data[0].marker")
    return found


def click(tab: Any, number: int, point: int) -> None:
    """Clicks a point of a shape: finding where it is on the screen would test plotly, not the page."""
    tab.evaluate(
        f"document.querySelectorAll('.plot')[{number}].emit('plotly_click',"
        f"{{points: [{{curveNumber: 0, pointNumber: {point}}}]}})"
    )


def test_points_have_the_colors_of_their_features(page: Path, scene: Scene) -> None:
    with opened(page) as tab:
        expected = [f"rgb({r},{g},{b})" for r, g, b in scene.shapes[0].within_N3.tolist()]
        assert marker(tab)["color"] == expected
        tab.uncheck("#within")
        expected = [f"rgb({r},{g},{b})" for r, g, b in scene.shapes[0].colors_N3.tolist()]
        assert marker(tab)["color"] == expected
        # Something is really drawn: more colors than those of the page around.
        pixels = tab.locator(".plot").first.screenshot()
        assert len(pixels) > 5000


def test_similarity_to_a_clicked_point_is_its_cosine(page: Path, scene: Scene) -> None:
    with opened(page) as tab:
        tab.uncheck("#within")
        click(tab, 1, 7)
        tab.wait_for_selector("[data-mode=similarity][aria-pressed=true]")
        assert "horse.obj" in tab.inner_text("#legend")
        chair, horse = (shape.coordinates_ND for shape in scene.shapes)
        asked_D = horse[7] / np.linalg.norm(horse[7])
        for number, coordinates_ND in enumerate((chair, horse)):
            cosines_N = coordinates_ND @ asked_D / np.linalg.norm(coordinates_ND, axis=1)
            np.testing.assert_allclose(marker(tab, number)["color"], cosines_N, atol=0.02)
        tab.check("#within")
        centered_ND = horse - horse.mean(axis=0)
        cosines_N = centered_ND @ centered_ND[7] / np.linalg.norm(centered_ND, axis=1)
        cosines_N /= np.linalg.norm(centered_ND[7])
        np.testing.assert_allclose(marker(tab, 1)["color"], cosines_N, atol=0.03)


def test_a_click_asks_and_a_drag_only_turns(page: Path) -> None:
    ring = "document.querySelectorAll('.plot')[0].data[1].x[0]"
    with opened(page) as tab:
        box = tab.locator(".plot").first.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2  # the seat of the chair
        tab.evaluate(
            "document.querySelectorAll('.plot')[0]"
            ".on('plotly_hover', () => { document.body.dataset.over = 'yes'; })"
        )

        def point_at() -> None:
            tab.evaluate("delete document.body.dataset.over")
            for step in range(40):  # until plotly has found a point there
                tab.mouse.move(x + step % 8, y + step % 5)
                tab.wait_for_timeout(100)
                if tab.evaluate("document.body.dataset.over"):
                    return
            raise AssertionError("no point under the pointer")

        point_at()
        tab.mouse.down()
        tab.mouse.move(x + 60, y + 20, steps=5)
        tab.mouse.up()
        tab.wait_for_timeout(500)
        assert tab.get_attribute("[data-mode=features]", "aria-pressed") == "true"
        for move in (0, 30):  # the page goes on to listen after the first answer
            y -= move
            before = tab.evaluate(ring)
            point_at()
            tab.mouse.down()
            tab.wait_for_timeout(300)
            tab.mouse.up()
            tab.wait_for_selector("[data-mode=similarity][aria-pressed=true]")
            tab.wait_for_function(f"{ring} !== {before if before is not None else 'undefined'}")


def test_shapes_turn_together(page: Path) -> None:
    with opened(page) as tab:
        box = tab.locator(".plot").first.bounding_box()
        tab.mouse.move(box["x"] + 100, box["y"] + 150)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 180, box["y"] + 170, steps=4)
        tab.mouse.up()
        eyes = "[...document.querySelectorAll('.plot')].map(p => p._fullLayout.scene.camera.eye.x.toFixed(4))"
        tab.wait_for_function(f"new Set({eyes}).size === 1 && {eyes}[0] !== '0.9200'")


def test_many_shapes_come_a_few_at_a_time(base: CrossJEPAEncoder, tmp_path: Path) -> None:
    clouds = [np.random.default_rng(seed).normal(size=(60, 3)) for seed in range(8)]
    write_page(tmp_path / "page.html", make_scene(base, clouds))
    with opened(tmp_path / "page.html") as tab:
        assert tab.locator(".card").count() == 6
        tab.click("#next")
        assert tab.inner_text("#place") == "7 to 8 of 8"
        assert tab.locator(".card").count() == 2


def test_predicted_classes(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    scene = make_scene(with_head(tiny, CLASSES), [SAMPLES / "chair.obj", SAMPLES / "horse.obj"], points=50)
    write_page(tmp_path / "page.html", scene)
    with opened(tmp_path / "page.html") as tab:
        tab.click("text=Classes")
        assert set(tab.inner_text("#legend").split()) == set(scene.names)
        color = scene.name_colors_K3[scene.names.index(scene.shapes[0].label)]
        assert set(marker(tab)["color"]) == {"rgb({},{},{})".format(*color)}


def test_a_phone_needs_no_scrolling_sideways(page: Path) -> None:
    with opened(page, PHONE) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        assert tab.locator(".plot").first.bounding_box()["width"] > 0.85 * PHONE[0]
