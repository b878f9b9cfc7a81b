"""Colors of every format that has them; geometry stays what it is without them."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray
from PIL import Image

from crossjepa.io import Appearance, Mesh, PointCloud, PointCloudError, read
from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import FACES, VERTICES, write
from tests.io.test_fuzz import Damage, damages

RED, GREEN, BLUE, WHITE = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)
FOUR = np.array([RED, GREEN, BLUE, WHITE], np.float32)


def colored(path: Path) -> Mesh:
    """Reads a mesh with and without colors, which must not change its shape."""
    plain, shape = read(path), read(path, color=True)
    assert isinstance(plain, Mesh)
    assert isinstance(shape, Mesh)
    assert plain.appearance is None
    np.testing.assert_array_equal(plain.vertices_V3, shape.vertices_V3)
    np.testing.assert_array_equal(plain.faces_F3, shape.faces_F3)
    return shape


def look(path: Path) -> Appearance:
    appearance = colored(path).appearance
    assert appearance is not None
    return appearance


def write_image(path: Path, color: tuple[int, ...], size: int = 4) -> None:
    Image.new("RGBA" if len(color) == 4 else "RGB", (size, size), color).save(path)


def faces_text(numbers: NDArray[np.integer]) -> str:
    return "".join("f {} {} {}\n".format(*face) for face in (numbers + 1).tolist())


def vertices_text(extra: NDArray[np.floating] | None = None) -> str:
    rows = VERTICES if extra is None else np.concatenate([VERTICES, extra], axis=1)
    return "".join("v " + " ".join(map(repr, row)) + "\n" for row in rows.tolist())


def test_files_without_color_have_none(tmp_path: Path) -> None:
    for name, content in (
        ("a.obj", writers.obj(VERTICES, FACES)),
        ("a.off", writers.off(VERTICES, FACES)),
        ("a.ply", writers.ply(VERTICES, FACES)),
        ("a.glb", writers.glb(*writers.gltf_tree(VERTICES, FACES))),
    ):
        assert colored(write(tmp_path, name, content)).appearance is None


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


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian"])
@pytest.mark.parametrize("mesh", [True, False])
def test_ply_vertex_colors(tmp_path: Path, encoding: str, mesh: bool) -> None:
    shape = trimesh.Trimesh(VERTICES, FACES, process=False, vertex_colors=(255 * FOUR).astype(np.uint8))
    exported = shape if mesh else trimesh.PointCloud(VERTICES, (255 * FOUR).astype(np.uint8))  # type: ignore[no-untyped-call]
    kind = "ascii" if encoding == "ascii" else "binary"
    content = exported.export(file_type="ply", encoding=kind)
    assert isinstance(content, bytes)
    path = write(tmp_path, "a.ply", content)
    found = read(path, color=True)
    if isinstance(found, PointCloud):
        np.testing.assert_array_equal(found.colors_N3, FOUR)
        assert read(path).colors_N3 is None  # type: ignore[union-attr]
    else:
        np.testing.assert_array_equal(look(path).colors_F33, FOUR[FACES])


def test_dark_whole_numbers_of_ply_are_dark(tmp_path: Path) -> None:
    text = "ply\nformat ascii 1.0\nelement vertex 1\n" + "".join(
        f"property {kind} {name}\n"
        for kind, name in [("float", axis) for axis in "xyz"]
        + [("uchar", c) for c in ("red", "green", "blue")]
    )
    shape = read(write(tmp_path, "a.ply", text + "end_header\n0 0 0 1 0 1\n"), color=True)
    assert isinstance(shape, PointCloud)
    assert shape.colors_N3 is not None
    np.testing.assert_allclose(shape.colors_N3, np.array([[1 / 255, 0, 1 / 255]]))


def test_off_colors(tmp_path: Path) -> None:
    rows = [" ".join(map(repr, row)) for row in VERTICES.tolist()]
    numbers = [f"3 {a} {b} {c}" for a, b, c in FACES.tolist()]
    counts = f"{len(VERTICES)} {len(FACES)} 0\n"
    whole = [" ".join(str(int(255 * share)) for share in color) + " 255" for color in FOUR]
    body = "\n".join(f"{row} {color}" for row, color in zip(rows, whole, strict=True))
    path = write(tmp_path, "a.off", "COFF\n" + counts + body + "\n" + "\n".join(numbers))
    np.testing.assert_array_equal(look(path).colors_F33, FOUR[FACES])
    with_normals = "\n".join(f"{row} 0 0 1 {color}" for row, color in zip(rows, whole, strict=True))
    path = write(tmp_path, "b.off", "CNOFF\n" + counts + with_normals + "\n" + "\n".join(numbers))
    np.testing.assert_array_equal(look(path).colors_F33, FOUR[FACES])
    shares = [" ".join(map(str, color)) for color in FOUR.tolist()]
    painted = "\n".join(f"{face} {color}" for face, color in zip(numbers, shares, strict=True))
    path = write(tmp_path, "c.off", "OFF\n" + counts + "\n".join(rows) + "\n" + painted)
    np.testing.assert_array_equal(look(path).colors_F33[:, 0], FOUR)


def glb(tmp_path: Path, visual: Any) -> Path:
    mesh = trimesh.Trimesh(VERTICES, FACES, process=False, visual=visual)
    content = mesh.export(file_type="glb")
    assert isinstance(content, bytes)
    return write(tmp_path, "a.glb", content)


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


def test_large_textures_are_reduced(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", (0, 100, 200, 50), size=1500)
    write(tmp_path, "a.mtl", "newmtl m\nmap_Kd a.png\nmap_d a.png\n")
    text = f"mtllib a.mtl\n{vertices_text()}vt 0 0\nusemtl m\nf 1/1 2/1 3/1\n"
    texels_HW4 = look(write(tmp_path, "a.obj", text)).textures[0]
    assert texels_HW4.shape == (1024, 1024, 4)
    np.testing.assert_allclose(texels_HW4[5, 5], [0, 100, 200, 50], atol=3)


def colored_files(folder: Path) -> dict[str, dict[str, bytes]]:
    """Whole files with colors, and the files that they name."""
    image = Image.fromarray(np.full((2, 2, 3), 9, np.uint8))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=image)  # type: ignore[no-untyped-call]
    visual = trimesh.visual.TextureVisuals(uv=VERTICES[:, :2], material=material)  # type: ignore[no-untyped-call]
    write_image(folder / "a.png", (1, 2, 3))
    library = b"newmtl m\nKd 1 0 0.5\nmap_Kd a.png\n"
    text = (
        f"mtllib a.mtl\n{vertices_text(FOUR.astype(float))}vt 0 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/1\nf 1 2 4\n"
    )
    rows = "".join(f"{x} {y} {z} 1 0 0.5\n" for x, y, z in VERTICES.tolist())
    off = f"COFF\n4 4 0\n{rows}" + "".join(f"3 {a} {b} {c}\n" for a, b, c in FACES.tolist())
    mesh = trimesh.Trimesh(VERTICES, FACES, process=False, vertex_colors=np.full((4, 4), 99, np.uint8))
    ply = mesh.export(file_type="ply")
    assert isinstance(ply, bytes)
    return {
        "a.obj": {"a.obj": text.encode(), "a.mtl": library},
        "a.mtl": {"a.obj": text.encode(), "a.mtl": library},
        "a.off": {"a.off": off.encode()},
        "a.ply": {"a.ply": ply},
        "a.glb": {"a.glb": glb(folder, visual).read_bytes()},
    }


@pytest.mark.parametrize("name", ["a.obj", "a.mtl", "a.off", "a.ply", "a.glb"])
@given(damage=damages)
@settings(
    max_examples=60,
    deadline=20_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
def test_damaged_colors_give_usable_ones_or_none(name: str, tmp_path: Path, damage: Damage) -> None:
    files = colored_files(tmp_path)[name]
    for file, content in files.items():
        (tmp_path / file).write_bytes(damage(content) if file == name else content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            shape = read(tmp_path / next(iter(files)), color=True)
        except PointCloudError:
            return
    if isinstance(shape, PointCloud) or shape.appearance is None:
        return
    appearance, faces = shape.appearance, len(shape.faces_F3)
    assert appearance.colors_F33.shape == (faces, 3, 3)
    assert appearance.uv_F32.shape == (faces, 3, 2)
    assert appearance.texture_F.shape == (faces,)
    assert appearance.colors_F33.min() >= 0
    assert appearance.colors_F33.max() <= 1
    assert np.isfinite(appearance.uv_F32).all()
    assert -1 <= appearance.texture_F.min() <= appearance.texture_F.max() < len(appearance.textures)
