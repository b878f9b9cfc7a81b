"""Where nodes, skins, instances and morph targets put the points of a glTF file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import FACES, VERTICES, assert_tetrahedron, read_mesh, reason_of, write

TURN = [0.0, 0.0, 0.5**0.5, 0.5**0.5]  # by 90 degrees about z


def turned(points_N3: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(points_N3 @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]))


def moved(points_N3: NDArray[np.floating], x: float, y: float, z: float) -> NDArray[np.float64]:
    return np.asarray(np.add(points_N3, (x, y, z)))


class Scene:
    """The tetrahedron as glTF, to which a test adds what it is about."""

    def __init__(self) -> None:
        self.tree, self.buffer = writers.gltf_tree(VERTICES, FACES)

    @property
    def primitive(self) -> dict[str, Any]:
        primitive: dict[str, Any] = self.tree["meshes"][0]["primitives"][0]
        return primitive

    def add(self, values: NDArray[Any], kind: str, **extra: Any) -> int:
        """Adds an accessor; returns its number."""
        codes = {"f4": 5126, "u1": 5121, "u2": 5123, "i1": 5120, "i2": 5122, "u4": 5125}
        content = np.ascontiguousarray(values).tobytes()
        self.buffer += b"\0" * (-len(self.buffer) % 4)
        view = {"buffer": 0, "byteOffset": len(self.buffer), "byteLength": len(content)}
        self.tree["bufferViews"].append(view)
        self.buffer += content
        self.tree["buffers"][0]["byteLength"] = len(self.buffer)
        self.tree["accessors"].append(
            {
                "bufferView": len(self.tree["bufferViews"]) - 1,
                "componentType": codes[values.dtype.str[1:]],
                "count": len(values),
                "type": kind,
                **extra,
            }
        )
        return len(self.tree["accessors"]) - 1

    def write(self, folder: Path) -> Path:
        return write(folder, "a.glb", writers.glb(self.tree, self.buffer))

    def vertices(self, folder: Path) -> NDArray[np.float64]:
        return read_mesh(self.write(folder)).vertices_V3


def joint_names(joints_V4: NDArray[Any], weights_V4: NDArray[Any], scene: Scene, number: int = 0) -> None:
    scene.primitive["attributes"][f"JOINTS_{number}"] = scene.add(joints_V4, "VEC4")
    scene.primitive["attributes"][f"WEIGHTS_{number}"] = scene.add(weights_V4, "VEC4")


@pytest.mark.parametrize("length", [1.0, 1.41, 1e-3, 250.0])
def test_rotations_of_any_length(tmp_path: Path, length: float) -> None:
    scene = Scene()
    scene.tree["nodes"][0]["rotation"] = [length * part for part in TURN]
    np.testing.assert_allclose(scene.vertices(tmp_path), turned(VERTICES), atol=1e-12)


def test_a_rotation_of_no_length(tmp_path: Path) -> None:
    scene = Scene()
    scene.tree["nodes"][0]["rotation"] = [0, 0, 0, 0]
    assert_tetrahedron(scene.write(tmp_path))


@pytest.mark.parametrize("weights", [np.array([0.5, 0.5, 0, 0], "<f4"), np.array([128, 127, 0, 0], "u1")])
@pytest.mark.parametrize("joints", ["u1", "<u2"])
def test_skins(tmp_path: Path, weights: NDArray[Any], joints: str) -> None:
    scene = Scene()
    # A turned node with two joints below it; the node of the mesh is somewhere else, which must not matter.
    scene.tree["nodes"] = [
        {"mesh": 0, "skin": 0, "translation": [7, 7, 7], "scale": [3, 3, 3]},
        {"rotation": TURN, "children": [2, 3]},
        {"translation": [0, 0, 10]},
        {"translation": [0, 0, 20], "scale": [2, 2, 2]},
    ]
    scene.tree["scenes"] = [{"nodes": [0, 1]}]
    inverse_44 = np.eye(4)
    inverse_44[:3, 3] = 0, 0, -10
    matrices = np.stack([inverse_44.T.reshape(16), np.eye(4).reshape(16)]).astype("<f4")
    scene.tree["skins"] = [{"joints": [2, 3], "inverseBindMatrices": scene.add(matrices, "MAT4")}]
    numbers_V4 = np.array([[0, 1, 0, 0]] * 4, joints)
    weights_V4 = np.tile(weights, (4, 1))
    weights_V4[0] = 1, 0, 0, 0
    weights_V4[1] = 0
    joint_names(numbers_V4, weights_V4, scene)
    first_V3, second_V3 = turned(VERTICES), moved(turned(VERTICES * 2), 0, 0, 20)
    share = float(weights[0] / weights.astype(float).sum())
    expected_V3 = share * first_V3 + (1 - share) * second_V3
    expected_V3[:2] = first_V3[:2]  # no weights: the first joint
    np.testing.assert_allclose(scene.vertices(tmp_path), expected_V3, atol=1e-6)


def test_more_than_four_joints_of_a_vertex(tmp_path: Path) -> None:
    scene = Scene()
    scene.tree["nodes"] = [{"mesh": 0, "skin": 0}, *({"translation": [j, 0, 0]} for j in range(5))]
    scene.tree["skins"] = [{"joints": [1, 2, 3, 4, 5]}]
    joint_names(np.array([[0, 1, 2, 3]] * 4, "u1"), np.full((4, 4), 0.1, "<f4"), scene)
    joint_names(np.array([[4, 0, 0, 0]] * 4, "u1"), np.array([[0.6, 0, 0, 0]] * 4, "<f4"), scene, 1)
    np.testing.assert_allclose(scene.vertices(tmp_path), moved(VERTICES, 3.0, 0, 0), atol=1e-6)


def test_joints_that_are_not_in_the_scene(tmp_path: Path) -> None:
    scene = Scene()
    scene.tree["nodes"] = [{"mesh": 0, "skin": 0}, {"translation": [1, 0, 0], "children": [2]}, {}]
    scene.tree["scenes"] = [{"nodes": [0]}]
    scene.tree["skins"] = [{"joints": [2]}]
    joint_names(np.zeros((4, 4), "u1"), np.array([[1, 0, 0, 0]] * 4, "<f4"), scene)
    np.testing.assert_array_equal(scene.vertices(tmp_path), moved(VERTICES, 1, 0, 0))
    scene.tree["nodes"][2]["children"] = [1]
    assert "its own parent" in reason_of(scene.write(tmp_path))


@pytest.mark.parametrize(
    ("joints", "words"),
    [
        (np.full((4, 4), 1, "u1"), "none of the 1 of its skin"),
        (np.zeros((3, 4), "u1"), "joints of shape (3, 4) for 4 points"),
        (np.zeros((4, 4), "<f4"), "none of the 1 of its skin"),
    ],
)
def test_damaged_skins(tmp_path: Path, joints: NDArray[Any], words: str) -> None:
    scene = Scene()
    scene.tree["nodes"] = [{"mesh": 0, "skin": 0}, {}]
    scene.tree["skins"] = [{"joints": [1]}]
    joint_names(joints, np.ones(joints.shape, "<f4"), scene)
    assert words in reason_of(scene.write(tmp_path))
    scene.tree["skins"] = [{"joints": [1], "inverseBindMatrices": 0}]
    assert "inverse bind matrices" in reason_of(scene.write(tmp_path))


def test_instances(tmp_path: Path) -> None:
    scene = Scene()
    places = np.array([[0, 0, 0], [5, 0, 0], [0, 5, 0]], "<f4")
    attributes = {
        "TRANSLATION": scene.add(places, "VEC3"),
        "ROTATION": scene.add(
            np.array([[0, 0, 0, 127], [0, 0, 90, 90], [0, 0, 0, 127]], "i1"), "VEC4", normalized=True
        ),
        "SCALE": scene.add(np.array([[1, 1, 1], [1, 1, 1], [2, 2, 2]], "<f4"), "VEC3"),
    }
    scene.tree["nodes"][0] = {
        "mesh": 0,
        "translation": [0, 0, 1],
        "extensions": {"EXT_mesh_gpu_instancing": {"attributes": attributes}},
    }
    scene.tree["extensionsRequired"] = scene.tree["extensionsUsed"] = ["EXT_mesh_gpu_instancing"]
    mesh = read_mesh(scene.write(tmp_path))
    parts = [VERTICES, moved(turned(VERTICES), 5, 0, 0), moved(2 * VERTICES, 0, 5, 0)]
    np.testing.assert_allclose(mesh.vertices_V3, moved(np.concatenate(parts), 0, 0, 1), atol=1e-6)
    np.testing.assert_array_equal(mesh.faces_F3, np.concatenate([FACES, FACES + 4, FACES + 8]))
    del attributes["ROTATION"], attributes["SCALE"]
    shifts = [moved(VERTICES + place, 0, 0, 1) for place in places]
    np.testing.assert_allclose(scene.vertices(tmp_path), np.concatenate(shifts), atol=1e-6)
    attributes["SCALE"] = 0
    assert "different lengths" in reason_of(scene.write(tmp_path))
    del attributes["TRANSLATION"], attributes["SCALE"]
    assert "or none" in reason_of(scene.write(tmp_path))


def test_too_many_instances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossjepa.io.gltf_scene.MAX_POINTS", 11)
    scene = Scene()
    attributes = {"TRANSLATION": scene.add(np.zeros((3, 3), "<f4"), "VEC3")}
    scene.tree["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    assert "3 instances of 4 points" in reason_of(scene.write(tmp_path))


def test_too_many_placed_primitives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.tree["nodes"] = [{"mesh": 0}] * 30
    scene.tree["scenes"] = [{"nodes": list(range(30))}]
    assert len(scene.vertices(tmp_path)) == 120
    monkeypatch.setattr("crossjepa.io.gltf_scene._MOST_PLACED", 29)
    assert "its nodes place more than 29 primitives" in reason_of(scene.write(tmp_path))


@pytest.mark.parametrize("of_node", [True, False])
def test_morph_targets(tmp_path: Path, of_node: bool) -> None:
    scene = Scene()
    up = scene.add(np.array([[0, 0, 1]] * 4, "<f4"), "VEC3")
    rows, values = np.array([2], "<u2"), np.array([[8, 0, 0]], "<f4")
    scene.add(rows, "SCALAR")
    scene.add(values, "VEC3")
    views = len(scene.tree["bufferViews"])
    scene.tree["accessors"].append(
        {
            "componentType": 5126, "count": 4, "type": "VEC3",
            "sparse": {
                "count": 1,
                "indices": {"bufferView": views - 2, "componentType": 5123},
                "values": {"bufferView": views - 1},
            },
        }
    )  # fmt: skip
    aside = len(scene.tree["accessors"]) - 1
    scene.primitive["targets"] = [{"POSITION": up}, {"POSITION": aside}, {"NORMAL": 0}, {"POSITION": 99}]
    scene.tree["meshes"][0]["weights"] = [9, 9, 9, 9] if of_node else [0.25, 0.5, 1, 0]
    if of_node:
        scene.tree["nodes"][0]["weights"] = [0.25, 0.5, 1, 0]
    expected_V3 = moved(VERTICES, 0, 0, 0.25)
    expected_V3[2, 0] += 4
    np.testing.assert_allclose(scene.vertices(tmp_path), expected_V3, atol=1e-6)


def test_morph_targets_without_weights_do_nothing(tmp_path: Path) -> None:
    scene = Scene()
    scene.primitive["targets"] = [{"POSITION": 0}]
    assert_tetrahedron(scene.write(tmp_path))


@pytest.mark.parametrize(
    "other",
    [
        {"attributes": {}},
        {"attributes": {"NORMAL": 0}, "indices": 1},
        {"attributes": {"POSITION": 0}, "mode": 1},
        {"attributes": {"POSITION": 0}, "mode": 0},
        {"attributes": {"POSITION": 0}, "mode": 3, "indices": 1},
    ],
)
def test_primitives_that_are_no_surface_are_skipped(tmp_path: Path, other: dict[str, Any]) -> None:
    scene = Scene()
    for place in (0, 1):
        scene.tree["meshes"][0]["primitives"] = [scene.primitive]
        scene.tree["meshes"][0]["primitives"].insert(place, other)
        mesh = read_mesh(scene.write(tmp_path))
        np.testing.assert_array_equal(mesh.vertices_V3[mesh.faces_F3], VERTICES[FACES])
        scene.tree["meshes"][0]["primitives"].remove(other)


@pytest.mark.parametrize(
    "name",
    [
        "KHR_materials_unlit", "KHR_texture_transform", "KHR_texture_basisu", "EXT_texture_webp",
        "CESIUM_RTC", "KHR_lights_punctual", "KHR_mesh_quantization", "EXT_mesh_gpu_instancing",
        "KHR_materials_variants",
    ],
)  # fmt: skip
def test_required_extensions_that_leave_the_geometry_alone(tmp_path: Path, name: str) -> None:
    scene = Scene()
    scene.tree["extensionsRequired"] = [name]
    assert_tetrahedron(scene.write(tmp_path))


@pytest.mark.parametrize(
    "name", ["ACME_secret_geometry", "MSFT_lod", "KHR_gaussian_splatting", "NV_micromesh"]
)
def test_required_extensions_that_are_not_known(tmp_path: Path, name: str) -> None:
    scene = Scene()
    scene.tree["extensionsUsed"] = [name]
    assert_tetrahedron(scene.write(tmp_path))
    scene.tree["extensionsRequired"] = [name]
    assert f"needs the extension {name}" in reason_of(scene.write(tmp_path))


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(
    "name", ["KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression"]
)
def test_compressed_geometry_names_the_command_that_converts_it(
    tmp_path: Path, name: str, required: bool
) -> None:
    scene = Scene()
    scene.tree["extensionsUsed"] = [name]
    if required:
        scene.tree["extensionsRequired"] = [name]
    elif "draco" in name:
        scene.primitive["extensions"] = {name: {"bufferView": 0, "attributes": {"POSITION": 0}}}
        assert_tetrahedron(scene.write(tmp_path))  # uncompressed data are there as well
        del scene.tree["accessors"][0]["bufferView"]
    else:
        scene.tree["buffers"].append({"byteLength": 99, "extensions": {name: {"fallback": True}}})
        scene.tree["bufferViews"][0]["buffer"] = 1
        scene.tree["bufferViews"][0]["extensions"] = {name: {"buffer": 0, "byteLength": 9}}
    reason = reason_of(scene.write(tmp_path))
    assert f"is compressed ({name})" in reason
    assert "npx @gltf-transform/cli copy a.glb uncompressed.glb" in reason


def test_sparse_accessors_promise_no_more_than_their_buffer(tmp_path: Path) -> None:
    scene = Scene()
    scene.tree["accessors"][0] = {
        "componentType": 5126, "count": 1000, "type": "VEC3",
        "sparse": {
            "count": 4,
            "indices": {"bufferView": 1, "componentType": 5125},
            "values": {"bufferView": 0},
        },
    }  # fmt: skip
    assert "an accessor of 1000 entries has no data" in reason_of(scene.write(tmp_path))


def test_version_1_is_refused(tmp_path: Path) -> None:
    scene = Scene()
    scene.tree["asset"]["version"] = "1.0"
    assert "glTF version 1.0 is not supported" in reason_of(scene.write(tmp_path))


def test_a_binary_file_with_the_other_ending(tmp_path: Path) -> None:
    scene = Scene()
    assert_tetrahedron(write(tmp_path, "a.gltf", writers.glb(scene.tree, scene.buffer)))
