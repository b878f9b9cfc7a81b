"""Contact sheets and PNG files.

N images, H x W pixels
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crossjepa.train.render import contact_sheet, save_png


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
