"""Colors of gltf files: base colors, textures, and colors of vertices."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.helpers import io_writers as writers
from tests.helpers.colors import (
    BLUE,
    FOUR,
    GREEN,
    RED,
    colored,
    glb,
    look,
)
from tests.helpers.io_shapes import FACES, VERTICES, write


def test_gltf_vertex_colors(tmp_path: Path) -> None:
    half = (np.array([RED, GREEN, BLUE, (0.5, 0.5, 0.5)]) * 255).astype(np.uint8)
    path = glb(tmp_path, trimesh.visual.ColorVisuals(vertex_colors=half))
    colors = look(path).colors_F33
    np.testing.assert_array_equal(colors[FACES < 3], FOUR[FACES[FACES < 3]])
    # Linear light of one half looks brighter than half.
    np.testing.assert_allclose(colors[FACES == 3], (127 / 255) ** (1 / 2.2), atol=1e-3)


def test_gltf_base_color_and_texture(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[[9, 8, 7]], [[1, 2, 3]]], np.uint8))
    material = trimesh.visual.material.PBRMaterial(  # type: ignore[no-untyped-call]
        baseColorFactor=[1.0, 0.25, 1.0, 1.0], baseColorTexture=image
    )
    uv = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float)
    visual = trimesh.visual.TextureVisuals(uv=uv, material=material)  # type: ignore[no-untyped-call]
    appearance = look(glb(tmp_path, visual))
    np.testing.assert_allclose(appearance.colors_F33[0, 0], [1, 0.25 ** (1 / 2.2), 1], atol=1e-2)
    assert appearance.texture_F.tolist() == [0] * len(FACES)
    assert appearance.textures[0][:, 0, :3].tolist() == [[9, 8, 7], [1, 2, 3]]
    np.testing.assert_allclose(appearance.uv_F32, (uv * (1, -1) + (0, 1))[FACES], atol=1e-6)


def test_damaged_colors_of_gltf_leave_the_shape(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree, buffer = writers.gltf_tree(VERTICES, FACES)
    primitive = tree["meshes"][0]["primitives"][0]
    tree["images"], tree["textures"] = [{"uri": "../secret.png"}], [{"source": 0}]
    tree["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    for change in ({"material": 7}, {"material": 0}, {"attributes": {"POSITION": 0, "COLOR_0": 99}}):
        tree["meshes"][0]["primitives"] = [{**primitive, **change}]
        with caplog.at_level(logging.WARNING):
            colored(write(tmp_path, "a.glb", writers.glb(tree, buffer)))
        assert "a.glb" in caplog.text
        caplog.clear()
