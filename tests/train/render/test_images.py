"""Pictures: resized, their histograms, contact sheets and PNG files.

V views, N images, H x W pixels, C channels, B bins
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crossjepa.train.render import color_histogram, contact_sheet, resize_images, save_png


def pictures(size: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)


def test_pictures_are_resized_smoothly() -> None:
    images = pictures(137)
    assert resize_images(images, 137) is images
    small = resize_images(images, 50)
    assert small.shape == (3, 50, 50, 3)
    np.testing.assert_allclose(small.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=1)


@pytest.mark.parametrize("bins", [4, 16])
def test_color_histogram(bins: int) -> None:
    images_VHW3 = np.zeros((2, 6, 6, 3), np.uint8)
    images_VHW3[0] = (255, 0, 130)
    images_VHW3[1, :3] = (10, 200, 64)
    histogram_VCB = color_histogram(images_VHW3, bins).reshape(2, 3, bins)
    np.testing.assert_allclose(histogram_VCB.sum(axis=2), 1, rtol=1e-6)
    assert histogram_VCB.dtype == np.float32
    assert [int(place) for place in histogram_VCB[0].argmax(axis=1)] == [bins - 1, 0, 130 * bins // 256]
    assert histogram_VCB[1, 1, 200 * bins // 256] == 0.5
    assert histogram_VCB[1, 1, 0] == 0.5


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_png_refuses_what_is_no_picture(tmp_path: Path, image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="expected"):
        save_png(tmp_path / "picture.png", image)
    assert not list(tmp_path.iterdir())


def test_contact_sheet_lays_out_rows() -> None:
    images_NHW3 = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 4, 3), np.uint8)
    sheet = contact_sheet(images_NHW3, columns=3)
    assert sheet.shape == (4, 12, 3)
    np.testing.assert_array_equal(sheet[::2, ::4, 0], [[0, 1, 2], [3, 4, 255]])


def test_png_holds_the_picture_to_the_pixel(tmp_path: Path) -> None:
    image_HW3 = np.random.default_rng(0).integers(0, 256, (13, 29, 3), dtype=np.uint8)
    save_png(tmp_path / "picture.png", image_HW3)
    with Image.open(tmp_path / "picture.png") as file:
        assert (file.format, file.mode) == ("PNG", "RGB")
        np.testing.assert_array_equal(np.asarray(file), image_HW3)
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
