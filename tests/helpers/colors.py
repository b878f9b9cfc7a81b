"""Files with colors, and what is read of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from crossjepa.io import Appearance, Mesh, read
from tests.helpers.io_shapes import FACES, VERTICES, write

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
    """Reads a mesh that has colors; returns these."""
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


def glb(tmp_path: Path, visual: Any) -> Path:
    mesh = trimesh.Trimesh(VERTICES, FACES, process=False, visual=visual)
    content = mesh.export(file_type="glb")
    assert isinstance(content, bytes)
    return write(tmp_path, "a.glb", content)
