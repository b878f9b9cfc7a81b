"""Batches from a cache, sampled and augmented, each a pure function of (seed, step).

B clouds, N points, P stored points, V views, H histogram bins, D teacher width,
Q points with dense targets, K channels of these
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.train.cache import Cache
from crossjepa.train.cache.concat import JoinedCaches
from crossjepa.train.common.rng import CloudRng
from crossjepa.train.pretrain.augment import Sampled, sample
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.dense import DensePoints, check_dense, choose_points
from crossjepa.train.pretrain.embedding_rows import embedding_rows
from crossjepa.train.pretrain.scans import Scanned, Scanner, scan

# Salts that keep the random numbers for different purposes apart.
_ORDER, _HELD_OUT, _SAMPLE, _STEP, _OTHER, _SCAN, _DENSE = range(7)


class Batch(NamedTuple):
    """Clouds with the conditioning and embeddings of some of their views.

    Attributes:
        points_BN3: (B, N, 3) float32 augmented points, centroid 0, largest radius 1.
        other_points_BN3: another sample of the objects for the point-to-point loss, else the same points.
        pose_BV3: (B, V, 3) azimuth and elevation in radians, distance in radii of the object.
        histogram_BVH: (B, V, 48) color histogram of each view.
        embeddings_BVD: (B, V, D) float32 embeddings as the teacher gave them.
        queries_BQ3: (B, Q, 3) float32 points with dense targets, in the frame of the augmented clouds; Q is 0
            for recipes without a loss on them.
        dense_BQK: (B, Q, K) float32 dense targets, in standard deviations of a channel.
        seen_BQ: (B, Q) bool, whether any picture shows the point; without one it has no target.
        mask_BN: (B, N) bool, False for points that repeat others in clouds of fewer than N points; None if no
            cloud has fewer.
        other_mask_BN: the same for the other points.
    """

    points_BN3: Tensor
    other_points_BN3: Tensor
    pose_BV3: Tensor
    histogram_BVH: Tensor
    embeddings_BVD: Tensor
    queries_BQ3: Tensor
    dense_BQK: Tensor
    seen_BQ: Tensor
    mask_BN: Tensor | None = None
    other_mask_BN: Tensor | None = None

    def to(self, device: torch.device | str) -> Batch:
        """Returns the batch on a device."""
        moved: Batch = to_device(self, device)
        return moved


class Prepared(NamedTuple):
    """What a batch is made of, as far as any process can prepare it for another.

    The rest is left to the device: choosing evenly spread points, which takes seconds on a CPU, all that
    depends on this choice, and the embeddings, which are many and need no preparation.

    Attributes:
        cloud: the clouds, to be finished.
        other: another sample of the objects for the point-to-point loss; None if it takes the same points.
        dense: points with dense targets, still to be moved with the clouds.
        histogram_BVH: (B, V, 48) color histogram of each view.
        row_B: (B,) rows of the cache.
        view_BV: (B, V) views of each.
    """

    cloud: Sampled | Scanned
    other: Sampled | Scanned | None
    dense: DensePoints
    histogram_BVH: Tensor
    row_B: Tensor
    view_BV: Tensor


def to_device(value: Any, device: torch.device | str) -> Any:
    """Returns a tensor, or a named tuple with its tensors, on a device, and other values as they are."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    return type(value)(*(to_device(part, device) for part in value)) if isinstance(value, tuple) else value


def divide(batch: Batch, parts: int) -> list[Batch]:
    """Divides the clouds of a batch into equal parts, in their order."""
    if parts == 1:
        return [batch]
    fields = [[None] * parts if field is None else torch.chunk(field, parts) for field in batch]
    return [Batch(*values) for values in zip(*fields, strict=True)]


class Batches:
    """The training batches of one process.

    Args:
        cache: the teacher's embeddings, from one cache or several.
        config: the recipe.
        rank: number of this process.
        world: number of processes; each takes its rows of the same global batch.
        device: where points are sampled and augmented, and where the batches are.
    """

    def __init__(
        self,
        cache: Cache | JoinedCaches,
        config: PretrainConfig,
        rank: int = 0,
        world: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        data = config.data
        if data.batch_size % world:
            raise ValueError(f"--batch-size {data.batch_size} must be a multiple of the {world} processes")
        if data.batch_size // world % config.optim.accumulation_steps:
            raise ValueError(
                f"batch_size {data.batch_size}: the {data.batch_size // world} clouds of a process cannot be "
                f"divided into accumulation_steps {config.optim.accumulation_steps} equal parts"
            )
        # Whatever the seed: a run from the weights of another must not see what that one held out.
        shuffled = np.random.default_rng([0, _HELD_OUT]).permutation(len(cache))
        self.held_out_rows = np.sort(shuffled[: data.held_out])
        self.train_rows = np.sort(shuffled[data.held_out :])
        if len(self.train_rows) < data.batch_size:
            left = len(self.train_rows) or "none"
            raise ValueError(
                f"{len(cache)} objects, --held-out {data.held_out} leaves {left} to "
                f"train on, but --batch-size is {data.batch_size}: make one of the two smaller"
            )
        if data.views_per_step > cache.views:
            raise ValueError(
                f"--views-per-step {data.views_per_step} is too many: the cache has {cache.views} views of "
                "each object"
            )
        if config.loss.dense_weight:
            check_dense(cache, config.loss.dense_points)
        self.cache, self.config, self.rank, self.world, self.device = cache, config, rank, world, device
        self.embeddings = embedding_rows(cache, torch.device(device))
        self.steps_per_epoch = len(self.train_rows) // data.batch_size
        self.steps = config.run.steps or config.run.epochs * self.steps_per_epoch

    def __call__(self, step: int) -> Batch:
        """Returns this process's part of the batch of a step."""
        return self.complete(self.prepare(step))

    def complete(self, prepared: Prepared) -> Batch:
        """Finishes a batch on the device, and adds the embeddings of its views."""
        moved: Prepared = to_device(prepared, self.device)
        cloud = moved.cloud.finish()
        other = cloud if moved.other is None else moved.other.finish()
        return Batch(
            cloud.points_BN3,
            other.points_BN3,
            cloud.pose_BV3,
            moved.histogram_BVH,
            self.embeddings(prepared.row_B, prepared.view_BV),
            cloud.placement.apply(moved.dense.points_BQ3),
            moved.dense.targets_BQK,
            moved.dense.seen_BQ,
            cloud.mask_BN,
            other.mask_BN,
        )

    def prepare(self, step: int) -> Prepared:
        """Prepares the batch of a step, as any process may do for another."""
        batch_size, seed = self.config.data.batch_size, self.config.run.seed
        epoch, number = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([seed, _ORDER, epoch]).permutation(self.train_rows)
        row_B = order[number * batch_size : (number + 1) * batch_size][self.rank :: self.world]
        even = np.random.default_rng([seed, _STEP, step]).random() < self.config.data.even_probability
        count = self.config.encoder_at(step / self.steps).num_points
        other = (seed, _OTHER, epoch) if self.config.loss.points_weight else None
        return self._assemble(row_B, count, even, (seed, _SAMPLE, epoch), other)

    def held_out(self, start: int, stop: int, count: int) -> Batch:
        """Returns held-out objects sampled as in training, but always with the same random numbers.

        Args:
            start: number of the first object.
            stop: number after the last one.
            count: points of a cloud (N).
        """
        row_B = self.held_out_rows[start:stop]
        even = np.random.default_rng([0, _STEP, start]).random() < self.config.data.even_probability
        return self.complete(self._assemble(row_B, count, even, (0, _HELD_OUT), None))

    def _assemble(
        self,
        row_B: NDArray[np.int64],
        count: int,
        even: bool,
        key: tuple[int, ...],
        other_key: tuple[int, ...] | None,
    ) -> Prepared:
        """Prepares clouds; the keys, with the number of the row, seed their random numbers."""
        data, cache = self.config.data, self.cache
        stored_BP3 = torch.from_numpy(cache.points_of(row_B)).to(self.device)
        rng = _rng(row_B, key)
        view_BV = rng.uniform(cache.views).argsort(dim=1)[:, : data.views_per_step]
        views = cache.cameras_of(row_B, view_BV.numpy())
        pose_BV5 = torch.from_numpy(views.poses_BV5).to(self.device)
        azimuth_BV, elevation_BV = torch.deg2rad(pose_BV5[..., 0]), torch.deg2rad(pose_BV5[..., 1])
        pose_BV3 = torch.stack([azimuth_BV, elevation_BV, pose_BV5[..., 3]], dim=-1)

        def draw(rng: CloudRng, key: tuple[int, ...]) -> Sampled | Scanned:
            here = rng.on(self.device)
            if self.config.augment.is_off:
                return sample(stored_BP3, pose_BV3, count, even, here, data.scale_range, data.jitter)
            scanner = Scanner(self.config.augment, _rng(row_B, (*key, _SCAN)), self.device)
            fewest = self.config.fewest_points(count)
            return scan(
                stored_BP3, pose_BV3, count, even, fewest, here, scanner, data.scale_range, data.jitter
            )

        cloud = draw(rng, key)
        other = draw(_rng(row_B, other_key), other_key) if other_key else None
        queries = self.config.loss.dense_points if self.config.loss.dense_weight else 0
        dense = choose_points(cache, row_B, stored_BP3, queries, _rng(row_B, (*key, _DENSE)))
        histogram_BVH = torch.from_numpy(views.histograms_BVH)
        return Prepared(cloud, other, dense, histogram_BVH, torch.from_numpy(row_B), view_BV)


def _rng(row_B: NDArray[np.int64], key: tuple[int, ...]) -> CloudRng:
    """Returns random numbers that depend on the key and, for each cloud, on its row of the cache alone."""
    return CloudRng([np.random.default_rng([*key, row]) for row in row_B])
