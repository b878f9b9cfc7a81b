"""Parts of labeled shapes, carried over to others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder, PointCloudError
from crossjepa.io import Mesh, read
from crossjepa.part_transfer import PartTransfer
from tests.conftest import SAMPLES


@pytest.fixture(scope="module")
def chair() -> Mesh:
    mesh = read(SAMPLES / "chair.obj")
    assert isinstance(mesh, Mesh)
    return mesh


def seat_and_legs(mesh: Mesh) -> np.ndarray:
    """Returns 1 for the lower half of the vertices, else 0."""
    height_V = mesh.vertices_V3[:, 1]
    return np.asarray(height_V < height_V.mean(), np.int64)


def test_the_same_object_in_other_units_gets_its_parts(base: CrossJEPAEncoder, chair: Mesh) -> None:
    parts_V = seat_and_legs(chair)
    transfer = PartTransfer(base, [SAMPLES / "chair.obj"], [parts_V])
    order_V = np.random.default_rng(0).permutation(len(parts_V))
    places_V = np.argsort(order_V)
    other = Mesh(3 * chair.vertices_V3[order_V] + 1, places_V[chair.faces_F3])
    found_V = transfer.predict(other)
    assert found_V.dtype == np.int64
    assert (found_V == parts_V[order_V]).mean() > 0.95


def test_unlabeled_points_do_not_vote(base: CrossJEPAEncoder, chair: Mesh) -> None:
    parts_V = np.where(seat_and_legs(chair) == 1, 4, -1)
    found_V = PartTransfer(base, [chair], [parts_V]).predict(chair)
    assert (found_V == 4).all()


def test_points_that_are_not_finite_get_no_part(base: CrossJEPAEncoder, chair: Mesh) -> None:
    points_N3 = chair.vertices_V3[:500].copy()
    points_N3[7] = np.nan
    with pytest.warns(UserWarning, match="not finite"):
        found_N = PartTransfer(base, [chair], [seat_and_legs(chair)]).predict(points_N3)
    assert len(found_N) == 500
    assert np.flatnonzero(found_N < 0).tolist() == [7]


def test_what_cannot_be_labels_is_refused(base: CrossJEPAEncoder, chair: Mesh, tmp_path: Path) -> None:
    parts_V = seat_and_legs(chair)
    with pytest.raises(ValueError, match=f"shape 0 has {len(parts_V)} points, but parts of shape \\(3,\\)"):
        PartTransfer(base, [chair], [parts_V[:3]])
    with pytest.raises(ValueError, match="1 shapes, but parts of 2"):
        PartTransfer(base, [chair], [parts_V, parts_V])
    with pytest.raises(ValueError, match="no point has a label"):
        PartTransfer(base, [chair], [parts_V * 0 - 1])
    with pytest.raises(ValueError, match="neighbors must be at least 1"):
        PartTransfer(base, [chair], [parts_V], neighbors=0)
    with pytest.raises(PointCloudError, match=r"missing\.obj"):
        PartTransfer(base, [tmp_path / "missing.obj"], [parts_V])
