"""A stranger makes a pack of meshes by the documentation alone."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets.meshpack import read_meshpack
from crossjepa.datasets.open import open_collection
from crossjepa.io import Mesh, read
from tests.conftest import REPOSITORY, SAMPLES

TEXTS = {
    "names": ["a chair", "a horse"],
    "category": ["chair", "animal"],
    "source": ["mine", "mine"],
    "licence": ["CC0-1.0", "mixed"],
    "up": ["z", "y"],
    "mn40": ["", ""],
}


def test_the_documented_way_to_pack_meshes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (REPOSITORY / "docs" / "rendering-and-caching.md").read_text()
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "verts_xz" in block)
    for name, values in TEXTS.items():
        code = code.replace(f"{name}=[...]", f"{name}={values!r}")
    assert "[...]" not in code
    meshes = []
    for name in ("chair", "horse"):
        shape = read(SAMPLES / f"{name}.obj")
        assert isinstance(shape, Mesh)
        low_3, high_3 = shape.vertices_V3.min(axis=0), shape.vertices_V3.max(axis=0)
        meshes.append(((shape.vertices_V3 - (low_3 + high_3) / 2) / (high_3 - low_3).max(), shape.faces_F3))
    monkeypatch.chdir(tmp_path)
    exec(code, {"meshes": meshes})
    packed = read_meshpack("meshes_mine.npz")
    assert [mesh.name for mesh in packed] == TEXTS["names"]
    for mesh, (vertices_V3, faces_F3) in zip(packed, meshes, strict=True):
        np.testing.assert_allclose(mesh.vertices_V3, vertices_V3, atol=0.5 / 65000 + 1e-7)
        np.testing.assert_array_equal(mesh.faces_F3, faces_F3)
    collection = open_collection(["meshes_mine.npz"])
    assert list(collection.names) == ["mine/chair/a chair"]
    assert collection[0].up_axis == "z"
    assert len(open_collection(["meshes_mine.npz"], meshes="all")) == 2
