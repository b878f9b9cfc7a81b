"""npy and npz."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa import PointCloudWarning
from crossjepa.io import Mesh, PointCloud, read
from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import FACES, VERTICES, assert_tetrahedron, read_cloud, reason_of, write


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", ">f8", "i1", "<i4", ">i8", "<u8"])
def test_dtypes(tmp_path: Path, dtype: str) -> None:
    points = np.abs(VERTICES).round().astype(dtype)
    for array in (points, np.asfortranarray(points), np.hstack([points, points])):
        np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.npy", writers.npy(array))), points)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions(tmp_path: Path, version: tuple[int, int]) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, VERTICES, version)
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.NPY", file.getvalue())), VERTICES)


@pytest.mark.parametrize(
    "name",
    ["points", "xyz", "pos", "pcd", "pc", "cloud", "vertices", "coord", "coords", "pts", "verts", "positions",
     "Points", "XYZ", "point_cloud", "data", "X"],
)  # fmt: skip
def test_names_in_an_archive(tmp_path: Path, name: str) -> None:
    content = writers.npz(**{name: VERTICES, "labels": np.zeros(4)})
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.npz", content)), VERTICES)


def test_archives(tmp_path: Path) -> None:
    assert_tetrahedron(write(tmp_path, "a.npz", writers.npz(vertices=VERTICES, faces=FACES)))
    assert_tetrahedron(
        write(tmp_path, "b.npz", writers.npz(vertices=VERTICES, faces=FACES.astype(np.uint16)))
    )
    only = writers.npz(anything=VERTICES)
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "c.npz", only)), VERTICES)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[{}, 1, 2]], object), "pickled"),
        (np.zeros(4, [("a", "f4"), ("b", "f4"), ("c", "f4")]), "its fields are 'a', 'b', 'c'"),
        (np.zeros(4, [("x", "f4"), ("y", "f4"), ("z", "U4")]), "expected real numbers in fields"),
        (np.zeros((2, 2, 2), [("x", "f4"), ("y", "f4"), ("z", "f4")]), "structured array of shape (N,)"),
        (VERTICES.astype(complex), "complex128"),
        (VERTICES.astype(bool), "bool"),
        (VERTICES.astype("U4"), "real numbers"),
        (VERTICES.astype("M8[s]"), "real numbers"),
        (np.zeros((4, 3), "V0"), "real numbers"),
        (VERTICES[0], "not (3,)"),
        (np.stack([VERTICES, VERTICES]), "shape (2, 4, 3) is many clouds or a picture of depths"),
        (np.zeros((3, 48)), "transpose it to 48x3"),
        (np.zeros((1, 3, 48)), "transpose it to 48x3"),
        (np.zeros((6, 600)), "transpose it to 600x6"),
        (np.float64(3), "not ()"),
        (VERTICES[:, :2], "not (4, 2)"),
        (VERTICES[:0], "no points"),
        (np.zeros((100, 65)), "65 columns"),
        (VERTICES * np.nan, "none of its 4 points is finite"),
    ],
)
def test_refused_arrays(tmp_path: Path, array: NDArray[Any], words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.npy", writers.npy(array)))
    assert words in reason_of(write(tmp_path, "a.npz", writers.npz(points=array)))


def with_header(text: str) -> bytes:
    """An npy file of any header."""
    head = text.encode("latin-1").ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(96)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK" + bytes(50), "not a readable npy array"),
        (writers.npy(VERTICES)[:-1], "truncated"),
        (writers.npy(VERTICES)[:60], "not a readable npy array"),
        (
            with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3)}").replace(
                b"\x01\x00", b"\x09\x09", 1
            ),
            "npy",
        ),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-4, -3)}"), "not (-4, -3)"),
        (
            with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 99999999999999999999)}"),
            "columns",
        ),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 0)}"), "rows"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (5000, 3)}"), "truncated"),
        (with_header("{'descr': '|O', 'fortran_order': False, 'shape': (4, 3)}"), "pickled"),
        (with_header("{'descr': 5, 'fortran_order': False, 'shape': (4, 3)}"), "npy"),
        (with_header("{'descr': '<f8', 'shape': (4, 3)}"), "npy"),
        (with_header("{{{{"), "npy"),
        (with_header("((((" * 20), "npy"),
        (with_header("'''"), "npy"),
        (with_header("1if 1else 2"), "npy"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (4, True)}"), "npy"),
    ],
)
def test_refused_npy(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.npy", content))


def archive_of(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def damaged() -> bytes:
    content = bytearray(writers.npz(points=np.random.default_rng(0).random((100, 3))))
    content[400:500] = bytes(100)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not an archive", "not a readable npz archive"),
        (writers.npz(points=VERTICES)[:-30], "not a readable npz archive"),
        (damaged(), "not a readable"),
        (writers.npz(a=VERTICES, b=VERTICES), "it has ['a', 'b']"),
        (
            writers.npz(coord=VERTICES, pos=VERTICES + 1),
            "several of its arrays can be the points: pos, coord",
        ),
        (archive_of({"readme.txt": b""}), "it has []"),
        (archive_of({"points.npy": b"x"}), "not a readable npy array"),
        (archive_of({"points.npy": writers.npy(VERTICES)[:-8]}), "truncated"),
        (writers.npz(vertices=VERTICES, faces=FACES + 1), "refers to vertices [1, 2, 4]"),
        (writers.npz(vertices=VERTICES, faces=FACES - 1), "refers to vertices [-1, 0, 1]"),
        (writers.npz(vertices=VERTICES, faces=FACES.astype(float)), "integer faces"),
        (writers.npz(vertices=VERTICES, faces=np.hstack([FACES, FACES])), "shape (F, 3)"),
        (writers.npz(vertices=VERTICES, faces=FACES[:0]), "no faces"),
        (writers.npz(vertices=VERTICES, faces=FACES * 0), "zero area"),
    ],
)
def test_refused_npz(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.npz", content))


@pytest.mark.parametrize("names", [("x", "y", "z"), ("X", "Y", "Z"), ("pos_x", "pos_y", "pos_z")])
def test_structured_arrays(tmp_path: Path, names: tuple[str, ...]) -> None:
    table = writers.structured_from(VERTICES, names)
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.npy", writers.npy(table))), VERTICES)
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.npz", writers.npz(points=table))), VERTICES)
    organized = table.reshape(2, 2)
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "b.npy", writers.npy(organized))), VERTICES)


def test_structured_arrays_with_one_field_for_all_axes(tmp_path: Path) -> None:
    table = np.zeros(4, [("normal", "f4", 3), ("position", "f4", 3)])
    table["position"] = VERTICES
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.npy", writers.npy(table))), VERTICES)


def test_other_forms_of_a_cloud(tmp_path: Path) -> None:
    one_of_a_batch = write(tmp_path, "a.npy", writers.npy(VERTICES[None]))
    np.testing.assert_array_equal(read_cloud(one_of_a_batch), VERTICES)
    axes = writers.npz(x=VERTICES[:, 0], y=VERTICES[:, 1], z=VERTICES[:, 2], t=np.zeros(7))
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.npz", axes)), VERTICES)
    uneven = writers.npz(x=VERTICES[:, 0], y=VERTICES[:, 1], z=VERTICES[:3, 2])
    assert "different lengths" in reason_of(write(tmp_path, "b.npz", uneven))
    twice = writers.npz(points=VERTICES, xyz=VERTICES, pos=np.zeros(3))
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "c.npz", twice)), VERTICES)
    three = write(tmp_path, "b.npy", writers.npy(np.eye(3)))
    np.testing.assert_array_equal(read_cloud(three), np.eye(3))


@pytest.mark.parametrize(
    ("vertices", "faces"),
    [
        ("vertices", "triangles"),
        ("verts", "faces"),
        ("v", "f"),
        ("points", "faces"),
        ("Vertices", "face_indices"),
    ],
)
def test_meshes_under_other_names(tmp_path: Path, vertices: str, faces: str) -> None:
    assert_tetrahedron(write(tmp_path, "a.npz", writers.npz(**{vertices: VERTICES, faces: FACES})))
    counted = np.hstack([np.full((4, 1), 3), FACES])  # as VTK has them
    assert_tetrahedron(write(tmp_path, "b.npz", writers.npz(**{vertices: VERTICES, faces: counted})))


def test_quads_in_an_archive(tmp_path: Path) -> None:
    content = writers.npz(vertices=VERTICES, faces=np.array([[0, 1, 2, 3]]))
    mesh = read(write(tmp_path, "a.npz", content))
    assert isinstance(mesh, Mesh)
    assert mesh.faces_F3.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_rows_that_are_not_finite(tmp_path: Path) -> None:
    table = np.vstack([VERTICES[:2], [[np.nan, 0, 0]], VERTICES[2:], [[0, np.inf, 0]]])
    for name, content in {"a.npy": writers.npy(table), "a.npz": writers.npz(points=table)}.items():
        with pytest.warns(PointCloudWarning, match="2 of 6 points are not finite and were left out"):
            cloud = read(write(tmp_path, name, content))
        assert isinstance(cloud, PointCloud)
        np.testing.assert_array_equal(cloud.points_N3, VERTICES)
        assert cloud.valid_M is not None
        assert np.flatnonzero(~cloud.valid_M).tolist() == [2, 5]
