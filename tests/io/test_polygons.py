"""Polygons become triangles that cover them, in every format that has polygons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.io import Mesh, read
from crossjepa.io.polygons import strip_triangles, triangulate
from crossjepa.ops.mesh_sampling import face_areas
from tests.helpers.colors import write_image
from tests.helpers.io_shapes import write

OUTLINES = {  # flat outline, area
    "L": ([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)], 3.0),
    "C": ([(0, 0), (3, 0), (3, 1), (1, 1), (1, 2), (3, 2), (3, 3), (0, 3)], 7.0),
    "H": (
        [(0, 0), (1, 0), (1, 1), (2, 1), (2, 0), (3, 0), (3, 3), (2, 3), (2, 2), (1, 2), (1, 3), (0, 3)],
        7.0,
    ),
    "arrowhead": ([(0, 0), (2, 1), (0, 2), (1, 1)], 1.0),
    "square": ([(0, 0), (1, 0), (1, 1), (0, 1)], 1.0),
    "pentagon": ([(0, 0), (2, 0), (2, 1), (1, 2), (0, 1)], 3.0),
}


def rotation(seed: int) -> NDArray[np.float64]:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]


def area(mesh: object) -> float:
    assert isinstance(mesh, Mesh)
    return float(face_areas(mesh.vertices_V3, mesh.faces_F3).sum())


@pytest.mark.parametrize("name", OUTLINES)
@pytest.mark.parametrize("seed", range(3))
def test_areas_whatever_the_plane_the_direction_and_the_first_corner(name: str, seed: int) -> None:
    outline, true_area = OUTLINES[name]
    vertices_V3 = np.pad(np.array(outline, float), ((0, 0), (0, 1))) @ rotation(seed) * 1e-3 + 1000
    for start in range(len(outline)):
        for direction in (1, -1):
            polygon_1k = np.roll(np.arange(len(outline)), start)[None, ::direction]
            found = triangulate([(np.array([7]), polygon_1k)], vertices_V3, "here")
            assert face_areas(vertices_V3, found.faces_F3).sum() == pytest.approx(true_area * 1e-6, rel=1e-6)
            assert found.row_F.tolist() == [7] * (len(outline) - 2)
            np.testing.assert_array_equal(found.of_corners([polygon_1k]), found.faces_F3)


def files_of(name: str) -> dict[str, bytes]:
    outline, _ = OUTLINES[name]
    k = len(outline)
    points = [f"{x} {y} 0" for x, y in outline]
    numbers = " ".join(map(str, range(k)))
    head = f"ply\nformat {{}} 1.0\nelement vertex {k}\nproperty float x\nproperty float y\nproperty float z\n"
    head += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    binary = np.pad(np.array(outline, "<f4"), ((0, 0), (0, 1))).tobytes()
    binary += bytes([k]) + np.arange(k, dtype="<i4").tobytes()
    obj = "".join(f"v {point}\n" for point in points) + "f " + " ".join(f"{i}//1" for i in range(1, k + 1))
    return {
        "a.obj": obj.encode(),
        "b.obj": (obj.split("f ")[0] + "f " + " ".join(str(i - k) for i in range(k))).encode(),
        "a.off": ("\n".join([f"OFF\n{k} 1 0", *points, f"{k} {numbers}"])).encode(),
        "a.ply": (head.format("ascii") + "\n".join([*points, f"{k} {numbers}"])).encode(),
        "b.ply": head.format("binary_little_endian").encode() + binary,
    }


@pytest.mark.parametrize("name", OUTLINES)
def test_every_format_covers_the_polygon(tmp_path: Path, name: str) -> None:
    for file, content in files_of(name).items():
        assert area(read(write(tmp_path, file, content))) == pytest.approx(OUTLINES[name][1]), file


def test_convex_polygons_become_fans_in_the_order_of_their_triangles() -> None:
    lines, triangles = np.array([[8, 9]]), np.array([[0, 1, 2]])
    squares = np.array([[3, 4, 5, 6], [7, 8, 9, 3]])
    groups = [(np.array([1]), lines), (np.array([4]), triangles), (np.array([0, 2]), squares)]
    vertices_V3 = np.array([(np.cos(a), np.sin(a), 0) for a in range(10)])
    found = triangulate(groups, vertices_V3, "here")
    assert found.faces_F3.tolist() == [[0, 1, 2], [3, 4, 5], [7, 8, 9], [3, 5, 6], [7, 9, 3]]
    assert found.row_F.tolist() == [4, 0, 2, 0, 2]
    assert triangulate(groups[:1], vertices_V3, "here").faces_F3.shape == (0, 3)


def test_textures_follow_the_cut(tmp_path: Path) -> None:
    outline, _ = OUTLINES["C"]
    k = len(outline)
    text = "mtllib a.mtl\n" + "".join(f"v {x} {y} 0\nvt {x / 4} {y / 4}\n" for x, y in outline)
    text += "usemtl m\nf " + " ".join(f"{i}/{i}" for i in range(1, k + 1))
    write(tmp_path, "a.mtl", "newmtl m\nmap_Kd a.png\n")
    write_image(tmp_path / "a.png", (1, 2, 3))
    mesh = read(write(tmp_path, "a.obj", text), color=True)
    assert isinstance(mesh, Mesh)
    assert mesh.appearance is not None
    places = mesh.vertices_V3[mesh.faces_F3][..., :2] / 4 * (1, -1) + (0, 1)
    np.testing.assert_allclose(mesh.appearance.uv_F32, places, atol=1e-6)


def test_polygons_without_an_inside_become_fans(caplog: pytest.LogCaptureFixture) -> None:
    vertices_V3 = np.random.default_rng(0).random((9, 3))
    found = triangulate([(np.zeros(1, int), np.arange(9)[None])], vertices_V3, "here")
    assert found.faces_F3.tolist() == [[0, i, i + 1] for i in range(1, 8)]
    assert "here: polygons that cross themselves may cover too much: 1" in caplog.text
    bad_V3 = np.where(np.arange(9)[:, None] == 3, np.nan, vertices_V3)
    for vertices, polygon in (
        (bad_V3, np.arange(9)),
        (vertices_V3 * 0, np.arange(9)),
        (vertices_V3, np.arange(9) + 5),
    ):
        faces_F3 = triangulate([(np.zeros(1, int), polygon[None])], vertices, "here").faces_F3
        assert faces_F3.tolist() == [[polygon[0], polygon[i], polygon[i + 1]] for i in range(1, 8)]


def test_neighbors_that_rounding_swapped(caplog: pytest.LogCaptureFixture) -> None:
    outline = [(0, 0), (1, 0), (0.999999, 0), (2, 0), (2, 2), (1, 1), (0, 2)]
    vertices_V3 = np.pad(np.array(outline, float), ((0, 0), (0, 1)))
    found = triangulate([(np.zeros(1, int), np.arange(7)[None])], vertices_V3, "here")
    assert face_areas(vertices_V3, found.faces_F3).sum() == pytest.approx(3, abs=1e-5)
    assert not caplog.records


def test_many_sizes_of_polygons_keep_their_rows() -> None:
    vertices_V3 = np.array([(np.cos(a), np.sin(a), 0) for a in np.linspace(0, 6, 500)])
    groups = [(np.array([k]), np.arange(k)[None]) for k in range(3, 500)]
    found = triangulate(groups, vertices_V3, "here")
    assert np.bincount(found.row_F)[3:].tolist() == [k - 2 for k in range(3, 500)]


@pytest.mark.parametrize(
    ("strip", "triangles"),
    [
        ([], []),
        ([0, 1], []),
        ([0, 1, 2, 3, 4], [[0, 1, 2], [2, 1, 3], [2, 3, 4]]),
        ([0, 1, 2, -1, 3, 4, 5, 6], [[0, 1, 2], [3, 4, 5], [5, 4, 6]]),
        # Two strips joined by repeated vertices, which keep the sides of both.
        ([0, 1, 2, 3, 3, 4, 4, 5, 6], [[0, 1, 2], [2, 1, 3], [4, 5, 6]]),
        ([-1, -1], []),
    ],
)
def test_strips(strip: list[int], triangles: list[list[int]]) -> None:
    assert strip_triangles(np.array(strip, np.int64)).tolist() == triangles
