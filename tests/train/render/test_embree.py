"""The optional renderer gives the pictures of our own, up to samples on edges.

V views, F faces, H x W pixels
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crossjepa.cli.main import main
from crossjepa.io import Appearance, Mesh, read
from crossjepa.processor import unit_sphere
from crossjepa.train.render import View, render_mesh, rig
from crossjepa.train.render.projection import RENDERERS, Projection, open_surface
from tests.conftest import SAMPLES
from tests.helpers.render_shapes import covered, sphere_mesh

pytest.importorskip("embreex", reason="the renderer embree is optional: pip install 'crossjepa[embree]'")

SQUARE = 0.6 * np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
QUAD = np.array([[0, 1, 2], [0, 2, 3]])
UV = np.array([[0.0, 1], [1, 1], [1, 0], [0, 0]])[QUAD].astype(np.float32)


def difference(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    views: tuple[View, ...],
    appearance: Appearance | None = None,
) -> NDArray[np.int64]:
    """Returns the (V, H, W) largest difference of a channel between the two renderers."""
    ours, rays = (
        render_mesh(vertices, faces, views, size=112, appearance=appearance, renderer=name).astype(int)
        for name in RENDERERS
    )
    assert covered(ours.astype(np.uint8)).any(axis=(1, 2)).all()
    return np.asarray(np.abs(ours - rays).max(axis=3))


@pytest.mark.parametrize("name", ["chair", "desk_lamp", "fork_lift", "grand_piano"])
def test_pictures_of_files_are_the_same(name: str) -> None:
    shape = read(SAMPLES / f"{name}.obj")
    assert isinstance(shape, Mesh)
    vertices = unit_sphere(shape.vertices_V3).apply(shape.vertices_V3)
    difference_VHW = difference(vertices, shape.faces_F3, rig("orbit8", 1)[::3])
    assert (difference_VHW > 2).mean() < 5e-4
    assert difference_VHW.mean() < 0.01


def test_colors_are_the_same_even_of_faces_in_one_place() -> None:
    shape = read(SAMPLES / "grand_piano.obj")
    assert isinstance(shape, Mesh)
    colors_F33 = np.random.default_rng(0).random((len(shape.faces_F3), 3, 3)).astype(np.float32)
    vertices = unit_sphere(shape.vertices_V3).apply(shape.vertices_V3)
    difference_VHW = difference(
        vertices, shape.faces_F3, rig("orbit8")[:2], Appearance.of_corners(colors_F33)
    )
    # Here 5 % of the samples show two faces in one place, of different colors.
    assert (difference_VHW > 2).mean() < 2e-3


def test_one_looks_through_holes() -> None:
    texels_HW4 = np.full((16, 16, 4), 255, np.uint8)
    texels_HW4[:, 8:, 3] = 0
    vertices = np.concatenate([SQUARE, SQUARE + np.array([0, 0, -0.3]), SQUARE + np.array([0, 0, -0.5])])
    faces = np.concatenate([QUAD, QUAD + 4, QUAD + 8])
    colors = np.ones((6, 3, 3), np.float32)
    colors[4:] = 0, 0, 1
    appearance = Appearance(
        colors, np.array([0, 0, 0, 0, -1, -1]), np.concatenate([UV, UV, UV]), (texels_HW4,)
    )
    views = (View(0, 0), View(30, 20))
    assert (difference(vertices, faces, views, appearance) > 2).mean() < 1e-3
    image = render_mesh(vertices, faces, views[:1], size=64, appearance=appearance, renderer="embree")[0]
    assert image[32, 40, 0] == 0 < image[32, 40, 2]


@pytest.mark.parametrize("seed", [0, 1])
def test_depths_and_faces_are_those_of_the_z_buffer(seed: int) -> None:
    generator = np.random.default_rng(seed)
    vertices = generator.normal(size=(30, 3)) * 0.35
    faces = torch.from_numpy(generator.integers(0, 30, (40, 3)))
    seen = Projection.of(vertices, rig("sphere")[:6], 80)
    (depth, face), (ray_depth, ray_face) = (
        open_surface(name, vertices, faces).nearest(seen) for name in RENDERERS
    )
    assert (face != ray_face).float().mean() < 1e-3
    same = (face == ray_face) & (face >= 0)
    torch.testing.assert_close(ray_depth[same], depth[same], atol=0, rtol=1e-4)
    assert torch.equal(ray_face < 0, ray_depth.isinf())


def test_faces_across_and_behind_the_camera_are_left_out() -> None:
    askew = SQUARE @ np.array([[1, 0.1, 0], [0.037, 1, 0], [0, 0, 1]])  # no samples on its diagonal
    vertices = np.concatenate([askew + np.array([0, 0, depth]) for depth in (-0.5, 0.4, 2.0)])
    vertices = np.concatenate([vertices, [[0.0, 0, 0.9], [0.1, 0, 0.9], [0, 0.1, -0.9]]])
    faces = torch.from_numpy(np.concatenate([QUAD, QUAD + 4, QUAD + 8, [[12, 13, 14]]]))
    seen = Projection.of(vertices, [View(0, 0, distance=0.6), View(0, 0)], 40)
    faces_seen = [open_surface(name, vertices, faces).nearest(seen)[1] for name in RENDERERS]
    assert set(faces_seen[1][0].flatten().tolist()) <= {-1, 2, 3}
    assert (faces_seen[0] != faces_seen[1]).float().mean() < 2e-3
    # A camera before which there is nothing at all.
    alone = Projection.of(SQUARE, [View(180, 0, distance=-3.0)], 8)
    assert (open_surface("embree", SQUARE, torch.from_numpy(QUAD)).nearest(alone)[1] == -1).all()
    images = render_mesh(*sphere_mesh(), [View(0, 0, distance=0.3)], size=32, renderer="embree")
    assert covered(images).any()


def test_command_line(tmp_path: Path) -> None:
    words = ["render", str(SAMPLES / "chair.obj"), "-o", str(tmp_path), "--rig", "mvcnn12", "--size", "32"]

    def recipe(*options: str) -> dict[str, object]:
        assert main([*words, *options]) == 0
        made: dict[str, object] = json.loads((tmp_path / "chair" / "views.json").read_text())["recipe"]
        return made

    ours = recipe()
    rays = recipe("--renderer", "embree")
    assert rays == {**ours, "renderer": "embree"}
    assert recipe("--renderer", "zbuffer") == ours
