"""Principal components against scikit-learn, colors against published values."""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa.view.colors import Components, component_colors, from_oklab, name_colors


def features(count: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, 6)) * (5, 3, 2, 1, 0.5, 0.1) + seed


def test_components_are_those_of_scikit_learn() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    clouds = [features(200, 1), features(200, 2)]
    ours = Components.of(clouds, 4)
    theirs = decomposition.PCA(4).fit(np.concatenate(clouds))
    np.testing.assert_allclose(np.abs(ours.axes_DC), np.abs(theirs.components_), atol=1e-8)
    assert ours.share == pytest.approx(theirs.explained_variance_ratio_.sum())
    np.testing.assert_allclose(
        np.abs(ours(clouds[0])), np.abs(theirs.transform(clouds[0])), atol=1e-8, rtol=1e-8
    )


def test_every_shape_weighs_the_same() -> None:
    few, many = features(10, 1), features(10, 5)
    assert np.allclose(
        Components.of([few, many], 3).axes_DC, Components.of([few, np.repeat(many, 50, axis=0)], 3).axes_DC
    )


def test_equal_features_have_equal_colors_on_one_scale() -> None:
    first, second = features(300, 0), features(300, 0)[::-1]
    colors = component_colors([first, second])
    assert (colors[0] == colors[1][::-1]).all()
    assert len(np.unique(colors[0], axis=0)) > 250
    flat = component_colors([np.zeros((5, 2))])[0]
    assert len(np.unique(flat, axis=0)) == 1


def test_oklab() -> None:
    """Values of https://bottosson.github.io/posts/oklab/ and of CSS Color 4 for white, red and blue."""
    lab = np.array(
        [(1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.62796, 0.22486, 0.12585), (0.45201, -0.03246, -0.31153)]
    )
    assert from_oklab(lab).tolist() == [[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]]


@pytest.mark.parametrize("count", [0, 1, 6, 40])
def test_names_have_colors_of_their_own(count: int) -> None:
    colors = name_colors(count)
    assert colors.shape == (count, 3)
    assert len(np.unique(colors, axis=0)) == count
