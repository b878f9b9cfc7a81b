"""Encodings of text, and lines of numbers in all text formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError, PointCloudWarning
from crossjepa.io.text import decode, parse_numbers, split_lines
from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import FACES, VERTICES, assert_tetrahedron, read_mesh, write

HERE = Path("here")
# Texts of CAD programs and spreadsheets, by their encoding; "表" and "ソ" end in a backslash in Shift-JIS.
TEXTS = {
    "utf-8": "Größe 尺寸 Ω",
    "latin-1": "Größe, façade, Übergröße",
    "cp1252": "“quoted” 5 €, façade, Größe",
    "gbk": "零件名称 椅子 桌子",
    "cp932": "椅子の部品 ソファ 表",
    "utf-16-le": "Größe 1.5 2.5",
    "utf-16-be": "Größe 1.5 2.5",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_encodings_are_told_apart(encoding: str) -> None:
    text = f"# {TEXTS[encoding]}\nv 0 0 0\n# and plain words with numbers 1 2 3\n"
    assert decode(text.encode(encoding), HERE) == text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks(encoding: str) -> None:
    assert decode("1 2 Ö".encode(encoding), HERE) == "1 2 Ö"


@pytest.mark.parametrize("content", [b"1 2 3\0\0", b"\xff\xfe1", b"\0\0\0\0", b"abc\0defghijk"])
def test_what_is_no_text(content: bytes) -> None:
    with pytest.raises(PointCloudError, match="not a text file"):
        decode(content, HERE)


@pytest.mark.parametrize("encoding", TEXTS)
@pytest.mark.parametrize("name", ["a.obj", "a.stl", "a.off"])
def test_meshes_with_names_in_any_encoding(tmp_path: Path, encoding: str, name: str) -> None:
    comment = f"# {TEXTS[encoding]}\n"
    content = {
        "a.obj": f"{comment}mtllib {TEXTS[encoding]}.mtl\n{comment}" + writers.obj(VERTICES, FACES).decode(),
        "a.stl": writers.stl_ascii(VERTICES, FACES).decode().replace("shape", TEXTS[encoding]),
        "a.off": f"OFF\n{comment}{len(VERTICES)} {len(FACES)} 0\n"
        + writers.rows(VERTICES)
        + "".join(f"3 {a} {b} {c}\n" for a, b, c in FACES.tolist()),
    }[name]
    path = write(tmp_path, name, content.encode(encoding))
    if name == "a.stl":
        assert len(read_mesh(path).faces_F3) == len(FACES)
    else:
        assert_tetrahedron(path)


def test_a_comment_that_ends_in_half_a_letter_continues_no_line(tmp_path: Path) -> None:
    # The second byte of this letter is a backslash; the rest of the text does not tell the encoding.
    content = b"# \xe9t\xe9 \x83\\\n" + writers.obj(VERTICES, FACES)
    assert_tetrahedron(write(tmp_path, "a.obj", content))
    assert_tetrahedron(
        write(tmp_path, "b.obj", writers.obj(VERTICES, FACES).replace(b"v 1.5 ", b"v \\\n1.5 "))
    )


def test_only_line_ends_end_lines() -> None:
    assert split_lines("a\x85b\x0bc\u2028d\r\ne\rf\n") == ["a\x85b\x0bc\u2028d", "e", "f"]
    assert split_lines("") == []


def test_lines_of_numbers() -> None:
    lines = ["1 2 3 # c", "", "4 5 -nan(ind)", "7 8 1.#INF"]
    table = parse_numbers(HERE, lines, lambda index: index + 1)
    np.testing.assert_array_equal(table, [[1, 2, 3], [4, 5, np.nan], [7, 8, np.nan]])
    # Without care, the sign of Windows' NaN begins a comment, and 1. is left.
    np.testing.assert_array_equal(parse_numbers(HERE, ["1 1.#QNAN"], lambda index: index), [[1, np.nan]])
    np.testing.assert_array_equal(
        parse_numbers(HERE, ["0,5 1,25 3", "1 2 3,5"], lambda index: index), [[0.5, 1.25, 3], [1, 2, 3.5]]
    )
    with pytest.raises(PointCloudError, match=r"line 2: 2 numbers, expected 3"):
        parse_numbers(HERE, ["1 2 3", "1 2"], lambda index: index + 1)


@pytest.mark.parametrize("name", ["a.obj", "a.off", "a.ply", "a.stl"])
def test_a_vertex_that_is_not_finite_costs_its_faces_only(tmp_path: Path, name: str) -> None:
    vertices_V3 = np.vstack([VERTICES, [[7.5, 7.5, 7.5]]])
    faces_F3 = np.vstack([FACES, [[0, 1, 4]]])
    content = {
        "a.obj": writers.obj, "a.off": writers.off, "a.ply": writers.ply, "a.stl": writers.stl_ascii
    }[name](vertices_V3, faces_F3)  # fmt: skip
    path = write(tmp_path, name, content.replace(b"7.5", b"-nan(ind)"))
    with pytest.warns(PointCloudWarning, match="1 of 5"):
        mesh = read_mesh(path)
    assert len(mesh.faces_F3) == len(FACES)
    corners = mesh.vertices_V3[mesh.faces_F3].reshape(-1, 9)
    np.testing.assert_array_equal(corners, VERTICES[FACES].reshape(-1, 9))


@pytest.mark.parametrize("name", ["a.obj", "a.off", "a.ply"])
def test_a_vertex_that_is_not_finite_and_that_no_face_uses_does_no_harm(tmp_path: Path, name: str) -> None:
    vertices_V3 = np.vstack([VERTICES[:1], [[7.5, 7.5, 7.5]], VERTICES[1:]])
    faces_F3 = np.where(FACES > 0, FACES + 1, FACES)
    content = {"a.obj": writers.obj, "a.off": writers.off, "a.ply": writers.ply}[name](vertices_V3, faces_F3)
    path = write(tmp_path, name, content.replace(b"7.5", b"nan"))
    with pytest.warns(PointCloudWarning, match="1 of 5 vertices are not finite and were left out; no face"):
        mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices_V3, VERTICES)
    np.testing.assert_array_equal(mesh.faces_F3, FACES)
    assert mesh.valid_M is not None
    assert mesh.valid_M.tolist() == [True, False, True, True, True]
