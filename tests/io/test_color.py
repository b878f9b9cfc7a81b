"""Colors of every format that has them; geometry stays what it is without them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from PIL import Image

from crossjepa.io import PointCloud, PointCloudError, read
from tests.helpers import io_writers as writers
from tests.helpers.colors import (
    FOUR,
    colored,
    glb,
    vertices_text,
    write_image,
)
from tests.helpers.io_shapes import FACES, VERTICES, write
from tests.io.test_fuzz import FUZZ, Damage, damages


def test_files_without_color_have_none(tmp_path: Path) -> None:
    for name, content in (
        ("a.obj", writers.obj(VERTICES, FACES)),
        ("a.off", writers.off(VERTICES, FACES)),
        ("a.ply", writers.ply(VERTICES, FACES)),
        ("a.glb", writers.glb(*writers.gltf_tree(VERTICES, FACES))),
    ):
        assert colored(write(tmp_path, name, content)).appearance is None


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
    max_examples=FUZZ,
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
