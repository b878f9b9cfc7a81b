"""Dense targets: what the teacher's maps hold where the pictures show points of an object.

V views, P stored points, K points with dense targets, M channels of the maps, C channels kept, X = C + 1,
R points for the statistics

The maps of the last three resolutions (or blocks of a transformer) are read at every view that shows a point
and averaged over these views. The first C principal components of what is found at points of some objects
are kept, each in units of its standard deviation, as int8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.batching import with_progress
from crossjepa.datasets import Dataset
from crossjepa.files import atomic_write
from crossjepa.hashing import file_digest
from crossjepa.io import PointCloudError
from crossjepa.train.cache.arrays import STEPS_PER_DEVIATION
from crossjepa.train.cache.cache import BASIS, open_cache
from crossjepa.train.cache.teacher import MAPS, Teacher
from crossjepa.train.cache.teachers import Teachers
from crossjepa.train.render import View
from crossjepa.train.render.views import ObjectViews, RenderConfig, make_views
from crossjepa.train.render.visibility import see_points

# Objects from which the basis comes, the same for any number of processes.
BASIS_OBJECTS = 64
_BASIS = 1
# Channels that vary less than this share of the one that varies most stay 0.
SMALLEST_VARIANCE = 1e-9


@dataclass(frozen=True)
class DenseConfig:
    """Targets at points of an object.

    Attributes:
        points: points of an object with a target, the first of those stored (K).
        channels: numbers of a target (C).
        basis: finished cache with dense targets of the same teacher, whose basis is taken, so that both can
            be joined; "" to make one from these objects.
    """

    points: int = 256
    channels: int = 64
    basis: str = ""

    def __post_init__(self) -> None:
        for name in ("points", "channels"):
            if getattr(self, name) < 1:
                raise ValueError(f"dense {name} must be at least 1, not {getattr(self, name)}")


def dense_facts(config: DenseConfig) -> dict[str, Any]:
    """Returns everything that determines dense targets, as plain values.

    Raises:
        FileNotFoundError: there is no cache from which to take the basis.
        ValueError: it has none.
    """
    facts = {"points": config.points, "channels": config.channels, "maps": MAPS}
    if config.basis:
        return {**facts, "basis": file_digest(_basis_file(config))}
    return {**facts, "objects": BASIS_OBJECTS}


def require_renderer(dataset: Dataset) -> None:
    """Refuses objects that come with their pictures.

    Raises:
        ValueError: nothing tells which points such pictures show.
    """
    if dataset.views:
        raise ValueError(
            "dense targets need pictures that are rendered here; these objects come with theirs, which say "
            "nothing about what hides what"
        )


class PointFeatures(NamedTuple):
    """What the maps of a teacher hold at points of one object.

    Attributes:
        features_KM: (K, M) float32 mean over the views that see a point; 0 if none does.
        seen_K: (K,) uint8 number of these views, 255 for more.
        widths: channels of each map; together M.
    """

    features_KM: Tensor
    seen_K: NDArray[np.uint8]
    widths: tuple[int, ...]

    def quantized(self, basis_XM: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
        """Returns (K, C) targets in steps of a standard deviation, and the (K,) numbers of views.

        Raises:
            ValueError: the features are not finite.
        """
        basis = torch.from_numpy(np.array(basis_XM))
        target_KC = (self.features_KM - basis[0]) @ basis[1:].T
        if not target_KC.isfinite().all():
            raise ValueError("its dense targets are not finite")
        target_KC = target_KC * torch.from_numpy(self.seen_K > 0).unsqueeze(1)
        steps_KC = (STEPS_PER_DEVIATION * target_KC).round().clamp(-127, 127)
        return steps_KC.to(torch.int8).numpy(), self.seen_K


def embed_densely(
    views: ObjectViews, teacher: Teacher | Teachers, points: int
) -> tuple[NDArray[np.float32], PointFeatures]:
    """Embeds the views of an object and reads the teacher's maps at its first points.

    Args:
        views: pictures, points and depth.
        teacher: the teacher; of several, the first one's maps are read.
        points: number of points (K).

    Returns:
        The (V, D) embeddings, and the features at the points.
    """
    assert views.depth_VSS is not None
    embeddings_VD, maps = teacher.embed_with_maps(views.images_VHW3)
    cameras = [View(*pose_5.tolist()) for pose_5 in views.poses_V5]
    sight = see_points(views.points_P3[:points], cameras, views.depth_VSS, views.tolerance)
    seen_VK1 = torch.from_numpy(sight.seen_VK).unsqueeze(2)
    place_VK12 = torch.from_numpy(2 * sight.place_VK2 - 1).float().unsqueeze(2)
    read = [
        F.grid_sample(map_VMHW, place_VK12, padding_mode="border", align_corners=False)[..., 0].mT
        for map_VMHW in maps
    ]
    total_KM = (torch.cat(read, dim=2) * seen_VK1).sum(dim=0)
    count_K1 = seen_VK1.sum(dim=0)
    seen_K = count_K1[:, 0].clamp_max(255).to(torch.uint8).numpy()
    widths = tuple(map_VMHW.shape[1] for map_VMHW in maps)
    return embeddings_VD.numpy(), PointFeatures(total_KM / count_K1.clamp_min(1), seen_K, widths)


def ensure_basis(
    folder: Path,
    config: DenseConfig,
    dataset: Dataset,
    render: RenderConfig,
    teacher: Teacher,
    *,
    progress: bool = False,
) -> None:
    """Writes the basis of dense targets to an unfinished cache, unless it is there.

    Args:
        folder: folder of the unfinished cache.
        config: points and channels, or the cache whose basis is taken.
        dataset: the objects; some of them, always the same, are rendered for it.
        render: cameras and pictures.
        teacher: the teacher.
        progress: show how far it is.

    Raises:
        ValueError: no basis of so many channels can be had.
    """
    if (folder / f"{BASIS}.npy").is_file():
        return
    if config.basis:
        basis_XM = _taken_basis(config, teacher)
    else:
        basis_XM = _fitted_basis(dataset, config, render, teacher, progress)
    write_basis(folder, basis_XM)


def write_basis(folder: Path, basis_XM: NDArray[np.float32]) -> None:
    """Writes the basis of dense targets to an unfinished cache, completely or not at all."""
    atomic_write(folder / f"{BASIS}.npy", lambda file: np.save(file, basis_XM))


def _basis_file(config: DenseConfig) -> Path:
    cache = open_cache(config.basis)
    if cache.basis_XM is None:
        raise ValueError(f"{config.basis}: a cache without dense targets, so there is no basis to take")
    return Path(config.basis) / f"{BASIS}.npy"


def _taken_basis(config: DenseConfig, teacher: Teacher) -> NDArray[np.float32]:
    cache = open_cache(config.basis)
    assert cache.basis_XM is not None
    if cache.teachers[0].weights_sha256 != teacher.weights_sha256:
        raise ValueError(
            f"{config.basis}: its dense targets are of another teacher, {cache.teachers[0].name}"
        )
    if cache.dense_channels != config.channels:
        raise ValueError(
            f"{config.basis}: its dense targets have {cache.dense_channels} channels, not {config.channels}"
        )
    return cache.basis_XM


def _fitted_basis(
    dataset: Dataset, config: DenseConfig, render: RenderConfig, teacher: Teacher, progress: bool
) -> NDArray[np.float32]:
    rows = np.random.default_rng([render.seed, _BASIS]).permutation(len(dataset))[:BASIS_OBJECTS]
    found = []
    for row in with_progress(rows.tolist(), 0, progress, "basis of dense targets", unit="object"):
        try:
            views = make_views(dataset[row], row, render, str(teacher.device))
        except (PointCloudError, ValueError, OSError):  # to be told of when its turn comes
            continue
        _, features = embed_densely(views, teacher, config.points)
        found.append(features.features_KM[torch.from_numpy(features.seen_K > 0)])
    if not found:
        raise ValueError("none of the objects from which the basis of dense targets comes can be used")
    return principal_components(torch.cat(found), features.widths, config.channels)


def principal_components(features_RM: Tensor, widths: Sequence[int], channels: int) -> NDArray[np.float32]:
    """Returns the mean of features, and what maps their differences from it to standardized components.

    Args:
        features_RM: (R, M) features.
        widths: channels of each map, which all count for as much, however large their values are.
        channels: components to keep (C).

    Returns:
        (1 + C, M) float32: the mean, and one row for each component.

    Raises:
        ValueError: there are not so many components.
    """
    if channels > min(features_RM.shape[1], len(features_RM) - 1):
        raise ValueError(
            f"no {channels} channels can be had from {len(features_RM)} points and maps of "
            f"{features_RM.shape[1]} channels"
        )
    features = features_RM.double()
    mean_M = features.mean(dim=0)
    covariance_MM = (features - mean_M).T @ (features - mean_M) / len(features)
    spread = [float(part.sum()) for part in torch.split(covariance_MM.diagonal(), list(widths))]
    scale_M = torch.repeat_interleave(
        torch.tensor(spread, dtype=torch.float64).clamp_min(1e-12).rsqrt(), torch.tensor(widths)
    )
    variance_M, directions_MM = torch.linalg.eigh(scale_M[:, None] * covariance_MM * scale_M)
    variance_C, component_CM = variance_M.flip(0)[:channels], directions_MM.T.flip(0)[:channels]
    # The sign of a component is arbitrary: its largest weight is positive.
    largest_C1 = component_CM.abs().argmax(dim=1, keepdim=True)
    component_CM = component_CM * component_CM.gather(1, largest_C1).sign()
    least = SMALLEST_VARIANCE * float(variance_C[0])
    inverse_C = torch.where(variance_C > least, variance_C.clamp_min(1e-30).rsqrt(), 0)
    component_CM = inverse_C[:, None] * component_CM * scale_M
    return torch.cat([mean_M[None], component_CM]).float().numpy()
