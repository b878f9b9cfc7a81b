"""gltf and glb."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import (
    VERTICES,
    assert_tetrahedron,
    gltf_parts,
    gltf_with_uri,
    read_cloud,
    read_mesh,
    reason_of,
    write,
)


def changed(**entries: Any) -> bytes:
    """A glb whose tree differs: a__0__b=1 sets tree["a"][0]["b"]; ... removes."""
    tree, buffer = gltf_parts()
    for name, value in entries.items():
        *outer, last = [int(word) if word.isdecimal() else word for word in name.split("__")]
        place: Any = tree
        for word in outer:
            place = place[word]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return writers.glb(tree, buffer)


def test_containers(tmp_path: Path) -> None:
    tree, buffer = gltf_parts()
    assert_tetrahedron(write(tmp_path, "a.glb", writers.glb(tree, buffer)))
    data = "data:application/octet-stream;base64," + base64.b64encode(buffer).decode()
    assert_tetrahedron(write(tmp_path, "b.gltf", gltf_with_uri(data)))
    write(tmp_path, "the buffer.bin", buffer)
    assert_tetrahedron(write(tmp_path, "c.GLTF", "\ufeff" + gltf_with_uri("the%20buffer.bin")))
    (tmp_path / "below").mkdir()
    write(tmp_path / "below", "b.bin", buffer)
    assert_tetrahedron(write(tmp_path, "d.gltf", gltf_with_uri("./below/b.bin")))


def test_transforms_against_trimesh(tmp_path: Path) -> None:
    tree, buffer = gltf_parts(
        translation=[1, 2, 3], rotation=[0.5, 0.5, 0.5, 0.5], scale=[1, 2, -3], children=[1]
    )
    half = np.diag([0.5, 0.5, 0.5, 1])
    half[:3, 3] = 7, 0, 1
    tree["nodes"] += [{"mesh": 0, "matrix": half.T.ravel().tolist(), "children": [2]}, {"mesh": 0}]
    path = write(tmp_path, "a.glb", writers.glb(tree, buffer))
    mesh, expected = read_mesh(path), trimesh.load_mesh(path, process=False)
    assert mesh.faces_F3.shape == (12, 3)
    np.testing.assert_allclose(
        np.sort(mesh.vertices_V3[mesh.faces_F3].sum(axis=1), axis=0),
        np.sort(np.asarray(expected.triangles).sum(axis=1), axis=0),
        atol=1e-6,
    )


def test_written_by_trimesh(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=2)
    ball.export(tmp_path / "a.glb")
    mesh = read_mesh(tmp_path / "a.glb")
    np.testing.assert_allclose(mesh.vertices_V3[mesh.faces_F3], ball.triangles, atol=1e-6)
    trimesh.PointCloud(ball.vertices).export(tmp_path / "b.glb")  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(read_cloud(tmp_path / "b.glb"), ball.vertices, atol=1e-6)


def test_points_only(tmp_path: Path) -> None:
    tree, buffer = writers.gltf_tree(VERTICES, None, translation=[1, 0, 0])
    path = write(tmp_path, "a.glb", writers.glb(tree, buffer))
    np.testing.assert_array_equal(read_cloud(path), VERTICES + np.array([1, 0, 0]))


@pytest.mark.parametrize(("mode", "faces"), [(5, [[0, 1, 2], [2, 1, 3]]), (6, [[0, 1, 2], [0, 2, 3]])])
def test_strips_and_fans(tmp_path: Path, mode: int, faces: list[list[int]]) -> None:
    tree, buffer = writers.gltf_tree(VERTICES, None)
    tree["meshes"][0]["primitives"][0]["mode"] = mode
    assert read_mesh(write(tmp_path, "a.glb", writers.glb(tree, buffer))).faces_F3.tolist() == faces


def test_lines_are_left_out_and_scene_is_optional(tmp_path: Path) -> None:
    tree, buffer = gltf_parts(children=[])
    primitives = tree["meshes"][0]["primitives"]
    primitives.insert(0, {"attributes": {"POSITION": 0}, "mode": 1})
    del tree["scene"], tree["scenes"]
    assert_tetrahedron(write(tmp_path, "a.glb", writers.glb(tree, buffer)))


GOOD = writers.glb(*gltf_parts())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"glTG" + GOOD[4:], "no glTF header"),
        (GOOD[:15], "truncated"),
        (GOOD[:100], "truncated: its header promises"),
        (GOOD[:-1], "truncated: its header promises"),
        (GOOD[:4] + struct.pack("<I", 1) + GOOD[8:], "version 1"),
        (changed(buffers__0__uri="no.bin"), "'no.bin' is missing"),
        (changed(extensionsRequired=["KHR_draco_mesh_compression"]), "KHR_draco_mesh_compression"),
        (changed(nodes=[]), "no entry 0 among its nodes"),
        (changed(nodes__0__mesh=-1), "no entry -1 among its meshes"),
        (changed(nodes__0__children=[0]), "node 0 has two parents"),
        (changed(nodes__0__matrix=[1, 2]), "not readable glTF"),
        (changed(nodes__0__scale="big"), "not readable glTF"),
        (changed(nodes__0__translation=[float("nan"), 0, 0]), "none of its 4 vertices is finite"),
        (changed(nodes__0__scale=[0, 0, 0]), "zero area"),
        (changed(nodes__0={}), "no meshes and no points"),
        (changed(accessors__0__count=4_000_000_000), "counts 4000000000"),
        (changed(accessors__0__count=5_000), "counts 5000"),
        (changed(accessors__0__count=-1), "count is -1"),
        (changed(accessors__0__count=float("inf")), "count is inf"),
        (changed(accessors__0__count=3), "a face refers to vertex 3, but there are 3"),
        (changed(accessors__0__type="MAT3"), "not readable glTF"),
        (changed(accessors__0__type="VEC2"), "2 components"),
        (changed(accessors__0__bufferView=...), "no data"),
        (changed(accessors__1__componentType=5126), "not integers"),
        (changed(accessors__1__count=11), "not a multiple of 3"),
        (changed(bufferViews__0__byteStride=1), "stride"),
        (changed(bufferViews__1__byteOffset=10**30), "needs"),
        (changed(buffers=[{}, {}], bufferViews__0__buffer=1), "buffer 1 has no data"),
        (changed(meshes__0__primitives=7), "not readable glTF"),
        (changed(scenes=[7]), "not readable glTF"),
    ],
)
def test_refusals_of_glb(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.glb", content))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "not readable glTF"),
        ('{"nodes":' + "[" * 100_000 + "]" * 100_000 + "}", "not readable glTF"),
        ("[]", "not an object"),
        ("{}", "no meshes and no points"),
        ("{", "not readable glTF"),
        ('{"scenes": {"a": 1}}', "not readable glTF"),
        ('{"accessors": [{"count": ' + "9" * 5000 + "}]}", "not readable glTF"),
        (gltf_with_uri("data:application/octet-stream;base64,AAAA"), "of 3"),
        (gltf_with_uri("data:application/octet-stream;base64,A"), "not readable glTF"),
        (gltf_with_uri("no\0.bin"), "is missing"),
    ],
)
def test_refusals_of_gltf(tmp_path: Path, text: str, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.gltf", text))


def test_a_mesh_that_is_repeated_too_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossjepa.io.shapes.MAX_POINTS", 100)
    tree, buffer = gltf_parts()
    tree["nodes"] *= 1000
    tree["scenes"][0]["nodes"] = list(range(1000))
    assert "104 faces" in reason_of(write(tmp_path, "a.glb", writers.glb(tree, buffer)))
