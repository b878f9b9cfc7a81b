"""Colors of obj files: materials, textures, and colors of vertices."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.colors import (
    BLUE,
    FOUR,
    RED,
    WHITE,
    colored,
    faces_text,
    look,
    vertices_text,
    write_image,
)
from tests.helpers.io_shapes import FACES, write


def test_obj_vertex_colors(tmp_path: Path) -> None:
    path = write(tmp_path, "a.obj", vertices_text(FOUR.astype(float)) + faces_text(FACES))
    np.testing.assert_array_equal(look(path).colors_F33, FOUR[FACES])


def test_obj_materials_by_face_whatever_their_number_of_corners(tmp_path: Path) -> None:
    write(tmp_path, "a.mtl", "newmtl red\nKd 1 0 0\n\nnewmtl blue\nKa 1 1 1\nKd 0 0 1\n")
    text = "mtllib a.mtl\n" + vertices_text() + "usemtl red\nf 1 2 3\nusemtl blue\nf 1 2 3 4\n"
    text += "usemtl red\nf 2 3 4\nusemtl none\nf 1 3 4\n"
    shape = colored(write(tmp_path, "a.obj", text))
    assert shape.appearance is not None
    found = {
        (tuple(face), tuple(color))
        for face, color in zip(
            shape.faces_F3.tolist(), shape.appearance.colors_F33[:, 0].tolist(), strict=True
        )
    }
    assert found == {
        ((0, 1, 2), RED),
        ((0, 1, 2), BLUE),
        ((0, 2, 3), BLUE),
        ((1, 2, 3), RED),
        ((0, 2, 3), WHITE),
    }


@pytest.mark.parametrize("negative", [False, True])
def test_obj_textures(tmp_path: Path, negative: bool) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "models").mkdir()
    write_image(tmp_path / "images" / "a b.png", (10, 20, 30))
    write(tmp_path / "models", "a.mtl", "newmtl m\nKd 0 0 0\nmap_Kd -s 2 2 1 ..\\images\\a b.png\n")
    corners = "f -4/-3 -3/-2/-1 -2/-1//\n" if negative else "f 1/1 2/2/7 3/3/\n"
    text = f"mtllib a.mtl\n{vertices_text()}vt 0 0\nvt 0.25 0\nvt 0.25 1\nusemtl m\n{corners}f 1 2 4\n"
    appearance = look(write(tmp_path / "models", "a.obj", text))
    assert appearance.texture_F.tolist() == [0, 0]
    assert appearance.textures[0].shape == (4, 4, 4)
    assert appearance.textures[0][0, 0].tolist() == [10, 20, 30, 255]
    # A texture's rows count from above, its coordinates from below.
    expected = np.array([[[0, 1], [0.25, 1], [0.25, 0]], [[0, 1]] * 3])
    np.testing.assert_allclose(appearance.uv_F32, expected)
    np.testing.assert_array_equal(appearance.colors_F33, 1)


def test_what_is_missing_is_named_and_stays_white(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "a.mtl", "newmtl m\nKd 0 1 0\nmap_Kd no such.png\n")
    write_image(tmp_path / "bad.png", (1, 2, 3))
    (tmp_path / "bad.png").write_bytes((tmp_path / "bad.png").read_bytes()[:40])
    write(tmp_path, "b.mtl", "newmtl m\nKd x\nmap_Kd bad.png\n")
    for library in ("a", "b", "c"):
        text = f"mtllib {library}.mtl\n{vertices_text()}vt 0 0\nusemtl m\nf 1/1 2/1 3/1\n"
        path = write(tmp_path, f"{library}.obj", text)
        with caplog.at_level(logging.WARNING):
            shape = colored(path)
        assert shape.appearance is None or not shape.appearance.textures
    for word in ("no such.png", "bad.png", "c.mtl"):
        assert word in caplog.text
    assert look(tmp_path / "a.obj").colors_F33[0, 0].tolist() == [0, 1, 0]
