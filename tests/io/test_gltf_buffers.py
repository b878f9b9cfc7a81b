"""The buffers of a gltf file, and the typed arrays in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.io.gltf_buffers import item, open_tree, read_accessor, read_uri, read_view
from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import (
    FACES,
    VERTICES,
    gltf_parts,
    gltf_with_uri,
    read_cloud,
    reason_of,
    write,
)


def test_interleaved_normalized_and_sparse(tmp_path: Path) -> None:
    whole = np.array([[0, 0, 0, 9], [127, 0, 0, 9], [0, 127, 0, 9], [0, 0, 0, 9]], np.int8)
    indices, values = np.array([3], np.uint8), np.array([[0, 0, -127, 0]], np.int8)
    buffer = whole.tobytes() + indices.tobytes() + values.tobytes()
    tree, _ = writers.gltf_tree(VERTICES, None)
    tree["buffers"] = [{"byteLength": len(buffer)}]
    tree["bufferViews"] = [
        {"buffer": 0, "byteLength": 16, "byteStride": 4},
        {"buffer": 0, "byteOffset": 16, "byteLength": 5},
    ]
    tree["accessors"][0] = {
        "bufferView": 0, "componentType": 5120, "normalized": True, "count": 4, "type": "VEC3",
        "sparse": {
            "count": 1,
            "indices": {"bufferView": 1, "componentType": 5121},
            "values": {"bufferView": 1, "byteOffset": 1},
        },
    }  # fmt: skip
    expected = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, -1]]
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.glb", writers.glb(tree, buffer))), expected)


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:9/a.bin",
        "HTTPS://localhost:9/a.bin",
        "file:///etc/hostname",
        "/etc/hostname",
        "../secret.bin",
        "..%2Fsecret.bin",
        "below/../../secret.bin",
        "..\\secret.bin",
        "C:\\secret.bin",
    ],
)
def test_nothing_outside_the_folder_is_read(tmp_path: Path, uri: str) -> None:
    _, buffer = gltf_parts()
    write(tmp_path, "secret.bin", buffer)
    (tmp_path / "inner" / "below").mkdir(parents=True)
    assert "outside its folder, which is never read" in reason_of(
        write(tmp_path / "inner", "a.gltf", gltf_with_uri(uri))
    )


def test_views_and_arrays_of_a_file(tmp_path: Path) -> None:
    tree = open_tree(write(tmp_path, "a.glb", writers.glb(*gltf_parts())))
    np.testing.assert_array_equal(read_accessor(tree, 0), VERTICES)
    np.testing.assert_array_equal(read_accessor(tree, 1).reshape(-1, 3), FACES)
    assert read_view(tree, 0) == VERTICES.astype("<f4").tobytes()
    assert item(tree, "meshes", 0) == tree.json["meshes"][0]
    for index in (-1, 9, "0", None):
        with pytest.raises(ValueError, match="there is no entry"):
            item(tree, "meshes", index)


def test_files_beside_it_and_data_in_it(tmp_path: Path) -> None:
    path = write(tmp_path, "a.gltf", "{}")
    write(tmp_path, "the bytes.bin", b"abc")
    assert read_uri(path, "the%20bytes.bin") == b"abc"
    assert read_uri(path, "data:application/octet-stream;base64,YWJj") == b"abc"
    with pytest.raises(PointCloudError, match="is missing"):
        read_uri(path, "none.bin")
