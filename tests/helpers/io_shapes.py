"""A small mesh, and what the tests of all formats ask about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.io import Mesh, PointCloud, PointCloudError, read
from tests.helpers import io_writers as writers

# A tetrahedron with coordinates that float32 holds exactly.
VERTICES = np.array([[0, 0, 0], [1.5, 0, -0.25], [0, 2, 0.125], [0.5, 0.5, 3]], np.float64)
FACES = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])


def write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_mesh(path: Path) -> Mesh:
    shape = read(path)
    assert isinstance(shape, Mesh)
    assert shape.vertices_V3.dtype == np.float64
    assert shape.faces_F3.dtype == np.int64
    return shape


def read_cloud(path: Path) -> NDArray[np.float64]:
    shape = read(path)
    assert isinstance(shape, PointCloud)
    assert shape.points_N3.dtype == np.float64
    return shape.points_N3


def assert_tetrahedron(path: Path) -> None:
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices_V3, VERTICES)
    np.testing.assert_array_equal(mesh.faces_F3, FACES)


def reason_of(path: Path) -> str:
    """Returns why a file is refused."""
    with pytest.raises(PointCloudError) as caught:
        read(path)
    assert caught.value.source == str(path)
    assert str(caught.value) == str(PointCloudError(path, caught.value.reason))
    return caught.value.reason


def gltf_parts(**node: Any) -> tuple[dict[str, Any], bytes]:
    """The JSON tree and the buffer of the tetrahedron."""
    return writers.gltf_tree(VERTICES, FACES, **node)


def gltf_with_uri(uri: str) -> str:
    """A gltf file of the tetrahedron whose buffer lies elsewhere."""
    tree, _ = gltf_parts()
    tree["buffers"][0]["uri"] = uri
    return json.dumps(tree)
