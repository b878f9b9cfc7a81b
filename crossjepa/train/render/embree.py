"""Rays through the samples of a picture, cast by Embree on the CPU.

B views, P vertices, F faces, K faces of the scene, M or H x W samples
"""

from __future__ import annotations

import math

import numpy as np
import torch
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.train.render.camera import View
from crossjepa.train.render.projection import Projection
from crossjepa.train.render.rasterizer import BEHIND, NEAREST_DEPTH


class RayCaster:
    """A mesh in a tree of boxes; see `Surface`."""

    def __init__(self, vertices_P3: NDArray[np.floating], faces_F3: Tensor) -> None:
        self.device = faces_F3.device
        self.vertices_P3 = np.ascontiguousarray(vertices_P3, np.float32)
        self.faces_F3 = faces_F3.cpu().numpy()
        self.alone_K = _last_of_each(self.vertices_P3, self.faces_F3)
        self.scene = self._scene(self.alone_K)

    def nearest(self, seen: Projection, behind_BHW: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Surface`."""
        shape = (len(seen.views), seen.samples, seen.samples)
        behind_BHW = torch.zeros(shape) if behind_BHW is None else behind_BHW.cpu()
        found = [
            self._nearest(view, seen.samples, depth_P, behind_M)
            for view, depth_P, behind_M in zip(
                seen.views, seen.depth_BP.cpu().numpy(), behind_BHW.flatten(1).numpy(), strict=True
            )
        ]
        depth_BM, face_BM = (torch.from_numpy(np.stack(parts)) for parts in zip(*found, strict=True))
        return depth_BM.view(shape).to(self.device), face_BM.view(shape).to(self.device)

    def _nearest(
        self, view: View, samples: int, depth_P: NDArray[np.float64], behind_M: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        number_K, scene = self.alone_K, self.scene
        before_K = (depth_P[self.faces_F3[number_K]] > NEAREST_DEPTH).all(axis=1)
        if not before_K.all():
            number_K = number_K[before_K]
            scene = self._scene(number_K)
        ray_M3 = _rays(view, samples)
        start_M = behind_M / (1 - BEHIND)
        origin_M3 = view.position().astype(np.float32) + start_M[:, None] * ray_M3
        found = scene.run(origin_M3, ray_M3, output=True)
        hit_M = found["primID"] >= 0
        depth_M = np.where(hit_M, start_M + found["tfar"], np.float32(np.inf))
        return depth_M, np.append(number_K, -1)[np.where(hit_M, found["primID"], -1)]

    def _scene(self, number_K: NDArray[np.int64]) -> EmbreeScene:
        scene = EmbreeScene()
        TriangleMesh(scene, self.vertices_P3, self.faces_F3[number_K].astype(np.int32))
        return scene


def _last_of_each(vertices_P3: NDArray[np.float32], faces_F3: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns (K,) numbers of faces: of those with the same corners the last; rays meet any of them."""
    corner_F3 = np.sort(_same_rows(vertices_P3)[faces_F3], axis=1)
    _, from_end_K = np.unique(_same_rows(corner_F3)[::-1], return_index=True)
    return np.sort(len(faces_F3) - 1 - from_end_K)


def _same_rows(table_NX: NDArray[np.generic]) -> NDArray[np.int64]:
    """Returns (N,) numbers, the same for the same rows. (Sorting columns is faster than sorting rows.)"""
    number_N = np.zeros(len(table_NX), np.int64)
    for column_N in table_NX.T:
        _, value_N = np.unique(column_N, return_inverse=True)
        _, number_N = np.unique(number_N * len(number_N) + value_N, return_inverse=True)
    return number_N


def _rays(view: View, samples: int) -> NDArray[np.float32]:
    """Returns the (M, 3) directions through the samples, of depth 1, so that lengths of rays are depths."""
    focal = samples / 2 / math.tan(math.radians(view.fov / 2))
    place_W = (np.arange(samples) + 0.5 - samples / 2) / focal
    right_HW, down_HW = np.meshgrid(place_W, place_W)
    camera_HW3 = np.stack([right_HW, -down_HW, np.full_like(right_HW, -1)], axis=-1).astype(np.float32)
    return camera_HW3.reshape(-1, 3) @ view.rotation().astype(np.float32)
