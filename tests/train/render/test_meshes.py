"""Pictures of meshes and clouds against slow references, analytic values, and each other.

V views or vertices, F faces, N points, H x W pixels
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crossjepa.train.render import (
    RIGS,
    View,
    color_histogram,
    contact_sheet,
    render_mesh,
    rig,
    save_png,
)
from crossjepa.train.render.camera import project
from crossjepa.train.render.rasterizer import rasterize
from tests.helpers.render_shapes import covered, sphere_mesh

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
QUAD_F3 = np.array([[0, 1, 2], [0, 2, 3]])


def reference_rasterize(
    pixel_V2: Floats, depth_V: Floats, faces_F3: Integers, size: int
) -> tuple[Floats, Integers, NDArray[np.bool_]]:
    """Every pixel center against every face; also tells which pixels are too close to an edge or a tie."""
    depth_HW, face_HW = np.full((size, size), np.inf), np.full((size, size), -1)
    doubtful_HW = np.zeros((size, size), np.bool_)
    for row in range(size):
        for column in range(size):
            for number, face_3 in enumerate(faces_F3):
                corners_33 = np.vstack([pixel_V2[face_3].T, np.ones(3)])
                weight_3 = np.linalg.solve(corners_33, [column + 0.5, row + 0.5, 1.0])
                doubtful_HW[row, column] |= bool(np.abs(weight_3).min() < 1e-6)
                if weight_3.min() < 0:
                    continue
                depth = 1 / (weight_3 / depth_V[face_3]).sum()
                doubtful_HW[row, column] |= abs(depth - depth_HW[row, column]) < 1e-5
                if depth < depth_HW[row, column]:
                    depth_HW[row, column], face_HW[row, column] = depth, number
    return depth_HW, face_HW, doubtful_HW


def rasterize_arrays(
    pixel_V2: Floats, depth_V: Floats, faces_F3: Integers, size: int
) -> tuple[NDArray[np.float32], Integers]:
    depth_HW, face_HW = rasterize(
        torch.from_numpy(pixel_V2), torch.from_numpy(depth_V), torch.from_numpy(faces_F3), size
    )
    return depth_HW.numpy(), face_HW.numpy()


def random_mesh(seed: int, faces: int = 12) -> tuple[Floats, Integers]:
    vertices_V3 = np.random.default_rng(seed).uniform(-0.55, 0.55, (3 * faces, 3))
    return vertices_V3, np.arange(3 * faces).reshape(faces, 3)


def opposite_quads(axis: int) -> tuple[Floats, Integers, Floats]:
    """Two quads across an axis: red at +0.4, blue at -0.4."""
    square_42 = np.array([[-0.4, -0.4], [0.4, -0.4], [0.4, 0.4], [-0.4, 0.4]])
    vertices_V3 = np.concatenate([np.insert(square_42, axis, place, axis=1) for place in (0.4, -0.4)])
    return vertices_V3, np.concatenate([QUAD_F3, QUAD_F3 + 4]), np.array([RED, RED, BLUE, BLUE])


def color_at_center(axis: int, view: View) -> str:
    vertices_V3, faces_F3, colors_F3 = opposite_quads(axis)
    image_HW3 = render_mesh(vertices_V3, faces_F3, [view], size=32, colors_F3=colors_F3)[0]
    return ("red", "green", "blue")[int(image_HW3[16, 16].argmax())]


@pytest.mark.parametrize("seed", range(4))
def test_rasterizer_equals_reference(seed: int) -> None:
    generator, size = np.random.default_rng(seed), 16
    pixel_V2 = generator.uniform(-8, size + 8, (24, 2))
    depth_V = generator.uniform(0.5, 5, 24)
    faces_F3 = generator.permuted(np.tile(np.arange(24), (10, 1)), axis=1)[:, :3]
    expected_HW, expected_face_HW, doubtful_HW = reference_rasterize(pixel_V2, depth_V, faces_F3, size)
    depth_HW, face_HW = rasterize_arrays(pixel_V2, depth_V, faces_F3, size)
    assert doubtful_HW.mean() < 0.02
    np.testing.assert_array_equal(face_HW[~doubtful_HW], expected_face_HW[~doubtful_HW])
    np.testing.assert_allclose(depth_HW[~doubtful_HW], expected_HW[~doubtful_HW], rtol=2e-5)


def test_neighboring_triangles_leave_no_gap_at_exact_pixel_centers() -> None:
    pixel_V2 = np.array([[0.5, 0.5], [8.5, 0.5], [8.5, 8.5], [0.5, 8.5]])
    _, face_HW = rasterize_arrays(pixel_V2, np.ones(4), QUAD_F3, 10)
    assert (face_HW[:9, :9] >= 0).all()
    assert (face_HW[9] == -1).all()
    assert (face_HW[:, 9] == -1).all()


def test_equal_depths_go_to_the_highest_face() -> None:
    pixel_V2 = np.array([[-1.0, -1.0], [30.0, -1.0], [-1.0, 30.0]])
    _, face_HW = rasterize_arrays(pixel_V2, np.ones(3), np.array([[0, 1, 2]] * 3), 8)
    assert (face_HW == 2).all()


def test_sphere_has_the_analytic_silhouette_and_depth() -> None:
    radius, size, view = 0.8, 225, View(20, 35)
    vertices_V3, faces_F3 = sphere_mesh(radius, rows=64)
    pixel_V2, depth_V = project(vertices_V3, view, size)
    depth_HW, face_HW = rasterize_arrays(pixel_V2, depth_V, faces_F3, size)
    focal = size / 2 / math.tan(math.radians(view.fov / 2))
    silhouette = focal * math.tan(math.asin(radius / view.distance))
    assert (face_HW >= 0).sum() == pytest.approx(math.pi * silhouette**2, rel=0.01)
    assert depth_HW[size // 2, size // 2] == pytest.approx(view.distance - radius, abs=2e-3)
    assert np.isinf(depth_HW[0, 0])


def test_unit_sphere_just_fits() -> None:
    images_VHW3 = render_mesh(*sphere_mesh(1.0, rows=64), [View(0, 0)], size=64)
    assert covered(images_VHW3)[0].any(axis=0)[1:-1].all()
    assert not covered(images_VHW3)[0, :3, :3].any()


def test_winding_does_not_matter() -> None:
    vertices_V3, faces_F3 = random_mesh(3)
    views = rig("sphere")[::5]
    images_VHW3 = render_mesh(vertices_V3, faces_F3, views, size=48)
    flipped_VHW3 = render_mesh(vertices_V3, faces_F3[:, ::-1].copy(), views, size=48)
    assert np.abs(images_VHW3.astype(int) - flipped_VHW3).max() <= 1


def test_depth_of_a_slanted_plane_is_perspective_correct() -> None:
    size, view = 40, View(0, 0, distance=3.0)
    plane_43 = np.array([[-9.0, -2, 0.9], [9.0, -2, 0.9], [9.0, 2, -2.1], [-9.0, 2, -2.1]])
    pixel_V2, depth_V = project(plane_43, view, size)
    depth_HW, _ = rasterize_arrays(pixel_V2, depth_V, QUAD_F3, size)
    # A ray (tx, ty, -1) * depth from (0, 0, 3) meets the plane z = -0.75 y - 0.6 at this depth.
    rise_H = -(np.arange(size) + 0.5 - size / 2) * math.tan(math.radians(view.fov / 2)) / (size / 2)
    expected_H = 3.6 / (1 - 0.75 * rise_H)
    inside_H = np.abs(rise_H * expected_H) < 1.9
    assert inside_H.sum() > size / 2
    expected_HW = np.tile(expected_H[:, None], (1, size))
    np.testing.assert_allclose(depth_HW[inside_H], expected_HW[inside_H], rtol=2e-5)


@pytest.mark.parametrize("last_depth", [0.0, -1.0])
def test_faces_across_or_behind_the_camera_are_left_out(last_depth: float) -> None:
    pixel_V2 = np.array([[-5.0, -5], [40, -5], [-5, 40], [40, 40]])
    depth_V = np.array([1.0, 1.0, 1.0, last_depth])
    _, face_HW = rasterize_arrays(pixel_V2, depth_V, np.array([[1, 2, 3], [0, 1, 2]]), 16)
    assert set(np.unique(face_HW)) <= {-1, 1}
    assert (rasterize_arrays(pixel_V2, np.full(4, last_depth), np.array([[0, 1, 2]]), 16)[1] == -1).all()


def test_camera_inside_a_mesh_gives_finite_pictures() -> None:
    images_VHW3 = render_mesh(*sphere_mesh(), [View(0, 0, distance=0.3)], size=32)
    assert covered(images_VHW3).any()


def test_no_face_covers_nothing() -> None:
    depth_HW, face_HW = rasterize_arrays(np.zeros((3, 2)), np.ones(3), np.zeros((0, 3), np.int64), 8)
    assert np.isinf(depth_HW).all()
    assert (face_HW == -1).all()


def test_degenerate_faces_give_the_background() -> None:
    vertices_V3 = np.array([[0.0, 0, 0], [0.1, 0, 0], [0.2, 0, 0]])
    for faces_F3 in (np.array([[0, 1, 2]]), np.array([[1, 1, 1]])):
        images_VHW3 = render_mesh(vertices_V3, faces_F3, [View(0, 0)], size=16, background=0.5)
        assert (images_VHW3 == 128).all()


@pytest.mark.parametrize("theta", [37.0, 200.0])
def test_turning_the_object_equals_turning_the_camera(theta: float) -> None:
    vertices_V3, faces_F3 = random_mesh(5)
    cosine, sine = math.cos(math.radians(theta)), math.sin(math.radians(theta))
    turn_33 = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    still = render_mesh(vertices_V3, faces_F3, [View(15, 25)], size=64)
    turned = render_mesh(vertices_V3 @ turn_33.T, faces_F3, [View(15 + theta, 25)], size=64)
    assert np.abs(still.astype(int) - turned).max() <= 3


@pytest.mark.parametrize(
    ("axis", "azimuth", "elevation", "color"),
    [
        (2, 0, 0, "red"),
        (2, 180, 0, "blue"),
        (0, 90, 0, "red"),
        (0, 270, 0, "blue"),
        (1, 0, 80, "red"),
        (1, 0, -80, "blue"),
    ],
)
def test_cameras_look_from_where_they_say(axis: int, azimuth: float, elevation: float, color: str) -> None:
    assert color_at_center(axis, View(azimuth, elevation)) == color


def test_right_and_up_in_the_picture() -> None:
    corner_33 = np.array([[0.3, 0.3, 0], [0.6, 0.3, 0], [0.3, 0.6, 0]])
    rows, columns = np.nonzero(
        covered(render_mesh(corner_33, np.array([[0, 1, 2]]), [View(0, 0)], size=32))[0]
    )
    assert rows.max() < 16
    assert columns.min() >= 16


def test_roll_turns_the_picture_clockwise() -> None:
    vertices_V3, faces_F3 = random_mesh(8)
    colors_F3 = np.tile(GREEN, (len(faces_F3), 1))
    level, rolled = (
        covered(render_mesh(vertices_V3, faces_F3, [View(10, 20, roll)], size=64, colors_F3=colors_F3))[0]
        for roll in (0.0, 90.0)
    )
    assert (np.rot90(level, -1) != rolled).mean() < 0.01


def test_colors_scale_with_light() -> None:
    vertices_V3, faces_F3, colors_F3 = opposite_quads(2)
    white = render_mesh(vertices_V3, faces_F3, [View(0, 0)], size=16)
    red = render_mesh(vertices_V3, faces_F3, [View(0, 0)], size=16, colors_F3=colors_F3)
    np.testing.assert_array_equal(red[0, 8, 8], [white[0, 8, 8, 0], 0, 0])


@pytest.mark.parametrize(
    ("name", "views", "lowest", "highest"),
    [
        ("r2n2", 24, 25, 30),
        ("disn", 36, 20, 30),
        ("mvcnn12", 12, 30, 30),
        ("sphere", 20, -90, 90),
        ("orbit8", 8, 5, 40),
    ],
)
def test_rigs(name: str, views: int, lowest: float, highest: float) -> None:
    cameras = rig(name, seed=4)
    assert len(cameras) == views
    assert all(0 <= view.azimuth < 360 and lowest <= view.elevation <= highest for view in cameras)
    assert all(view.roll == 0 for view in cameras)
    # In the picture, the unit sphere is as large as or smaller than the frame, but for the nearest of R2N2.
    fits = [view.distance * math.sin(math.radians(view.fov / 2)) for view in cameras]
    assert (0.94 if name in ("r2n2", "disn") else 0.95) <= min(fits) <= max(fits) <= 1.46
    assert cameras == rig(name, seed=4)
    assert (cameras == rig(name, seed=5)) == (name in ("mvcnn12", "sphere"))
    for view in cameras:
        np.testing.assert_allclose(view.rotation() @ view.rotation().T, np.eye(3), atol=1e-12)
        assert np.linalg.norm(view.position()) == pytest.approx(view.distance)


def test_rigs_are_spread_out() -> None:
    assert np.ptp([view.elevation for view in rig("sphere")]) > 120
    for name, gap in (("disn", 20), ("mvcnn12", 30), ("orbit8", 75)):
        azimuth = np.sort([view.azimuth for view in rig(name, seed=1)])
        assert np.diff(np.append(azimuth, azimuth[0] + 360)).max() <= gap + 1e-9


def test_unknown_rig_lists_the_known() -> None:
    with pytest.raises(ValueError, match="unknown rig 'none'") as raised:
        rig("none")
    assert all(name in str(raised.value) for name in RIGS)


@pytest.mark.parametrize("bins", [4, 16])
def test_color_histogram(bins: int) -> None:
    images_VHW3 = np.zeros((2, 6, 6, 3), np.uint8)
    images_VHW3[0] = (255, 0, 130)
    images_VHW3[1, :3] = (10, 200, 64)
    histogram_VCB = color_histogram(images_VHW3, bins).reshape(2, 3, bins)
    np.testing.assert_allclose(histogram_VCB.sum(axis=2), 1, rtol=1e-6)
    assert histogram_VCB.dtype == np.float32
    assert [int(place) for place in histogram_VCB[0].argmax(axis=1)] == [bins - 1, 0, 130 * bins // 256]
    assert histogram_VCB[1, 1, 200 * bins // 256] == 0.5
    assert histogram_VCB[1, 1, 0] == 0.5


def decode_png(data: bytes) -> NDArray[np.uint8]:
    """Decodes an 8-bit RGB PNG whose rows are not filtered, and checks its sums."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length)[0] == zlib.crc32(kind + content)
        chunks[kind], place = content, place + 12 + length
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (rest, list(chunks)[-1]) == ([8, 2, 0, 0, 0], b"IEND")
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_png_decodes_to_the_picture(tmp_path: Path) -> None:
    image_HW3 = np.random.default_rng(0).integers(0, 256, (13, 29, 3), dtype=np.uint8)
    save_png(tmp_path / "picture.png", image_HW3)
    np.testing.assert_array_equal(decode_png((tmp_path / "picture.png").read_bytes()), image_HW3)
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_png_refuses_what_is_no_picture(tmp_path: Path, image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="expected"):
        save_png(tmp_path / "picture.png", image)
    assert not list(tmp_path.iterdir())


def test_contact_sheet_lays_out_rows() -> None:
    images_NHW3 = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 4, 3), np.uint8)
    sheet = contact_sheet(images_NHW3, columns=3)
    assert sheet.shape == (4, 12, 3)
    np.testing.assert_array_equal(sheet[::2, ::4, 0], [[0, 1, 2], [3, 4, 255]])


def test_mesh_without_faces_is_an_error() -> None:
    with pytest.raises(ValueError, match="without faces"):
        render_mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int64), [View(0, 0)])
