"""Pictures of one object, on white."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossjepa import PointCloudError
from crossjepa.index import read_picture
from crossjepa.train.render import View, render_mesh, save_png
from tests.helpers.render_shapes import sphere_mesh


def save(path: Path, image: np.ndarray) -> Path:
    Image.fromarray(image).save(path)
    return path


def square_on(background: tuple[int, int, int], noise: int = 0) -> np.ndarray:
    """Returns (90, 90, 3): a blue square with a hole, through which the background is seen, in the middle."""
    rng = np.random.default_rng(0)
    image = np.full((90, 90, 3), background, np.int64) + rng.integers(-noise, noise + 1, (90, 90, 1))
    image[20:70, 20:70] = (20, 40, 200)
    image[40:50, 40:50] = background
    return image.clip(0, 255).astype(np.uint8)


def test_a_plain_border_becomes_white_and_what_it_surrounds_stays(tmp_path: Path) -> None:
    picture = read_picture(save(tmp_path / "gray.png", square_on((120, 130, 120), noise=5)), 90)
    assert picture.background == "border"
    assert (picture.image_SS3[:18] == 255).all()
    assert (picture.image_SS3[45, 45] == (120, 130, 120)).all()
    assert (picture.image_SS3[30, 30] == (20, 40, 200)).all()


def test_transparency_is_background(tmp_path: Path) -> None:
    image = np.zeros((60, 60, 4), np.uint8)
    image[10:50, 10:50] = (200, 0, 0, 255)
    picture = read_picture(save(tmp_path / "alpha.png", image), 60)
    assert picture.background == "alpha"
    assert (picture.image_SS3[5, 5] == 255).all()
    assert (picture.image_SS3[30, 30] == (200, 0, 0)).all()


def test_a_busy_border_is_left_as_it_is(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    picture = read_picture(save(tmp_path / "busy.png", image), 64)
    assert picture.background == "none"
    np.testing.assert_array_equal(picture.image_SS3, image)


def test_the_histogram_counts_white_and_the_object(tmp_path: Path) -> None:
    picture = read_picture(save(tmp_path / "gray.png", square_on((120, 130, 120))), 90)
    blue_16 = picture.histogram_H[32:]
    assert blue_16.sum() == pytest.approx(1)
    assert blue_16[200 * 16 // 256] == pytest.approx((50 * 50 - 100) / 8100, abs=1e-3)
    assert blue_16[15] == pytest.approx(1 - 2500 / 8100, abs=1e-3)


def test_wide_pictures_get_white_margins(tmp_path: Path) -> None:
    image = np.full((40, 80, 3), 255, np.uint8)
    image[10:30, 30:50] = 0
    picture = read_picture(save(tmp_path / "wide.jpg", image), 80)
    assert picture.image_SS3.shape == (80, 80, 3)
    assert picture.image_SS3[40, 40].max() < 30
    assert picture.image_SS3[:15].min() > 240


def test_a_rendered_view_stays_as_it_is(tmp_path: Path) -> None:
    vertices_V3, faces_F3 = sphere_mesh()
    (image,) = render_mesh(vertices_V3, faces_F3, [View(30, 20)], size=64)
    save_png(tmp_path / "ball.png", image)
    found = read_picture(tmp_path / "ball.png", 64).image_SS3.astype(int)
    assert np.abs(found - image).max() <= 20


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no picture", "no readable picture"), (b"\x89PNG\r\n\x1a\n1234", "picture")],
    ids=["text", "cut"],
)
def test_files_that_are_no_pictures_are_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(PointCloudError, match=reason) as caught:
        read_picture(tmp_path / "x.png")
    assert caught.value.source == str(tmp_path / "x.png")


def test_missing_and_empty_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PointCloudError, match="No such file"):
        read_picture(tmp_path / "none.png")
    blank = save(tmp_path / "blank.png", np.full((20, 20, 3), 250, np.uint8))
    with pytest.raises(PointCloudError, match="nothing but background"):
        read_picture(blank)
