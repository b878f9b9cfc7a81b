"""The mixed folder is read back equal; the broken one is refused, each file for its reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa.io import Mesh, PointCloud, PointCloudError, find_files, read
from tests.conftest import SAMPLES
from tests.helpers.corpus import CLOUD_WRITERS, write_broken_files, write_mixed_meshes


def test_mixed(tmp_path: Path) -> None:
    chair = read(SAMPLES / "chair.obj")
    assert isinstance(chair, Mesh)
    paths = write_mixed_meshes(tmp_path, [chair] * 15)
    assert len(paths) == 15
    assert find_files(tmp_path) == paths
    for path in paths:
        shape = read(path)
        if path.name[4:] in CLOUD_WRITERS:
            assert isinstance(shape, PointCloud)
            assert shape.points_N3.shape == (2000, 3)
            continue
        assert isinstance(shape, Mesh)
        np.testing.assert_allclose(
            shape.vertices_V3[shape.faces_F3], chair.vertices_V3[chair.faces_F3], rtol=1e-6, atol=1e-6
        )


def test_broken(tmp_path: Path) -> None:
    broken = write_broken_files(tmp_path)
    assert len(broken) == 10
    assert find_files(tmp_path) == sorted(broken)
    for path, word in broken.items():
        with pytest.raises(PointCloudError) as caught:
            read(path)
        assert word in caught.value.reason, path
        assert caught.value.source == str(path)
