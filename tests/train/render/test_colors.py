"""Color histograms.

V views, C channels, B bins
"""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa.train.render import color_histogram


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
