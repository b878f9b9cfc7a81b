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

from crossjepa.ops import farthest_point_sampling, gather_points
from crossjepa.train.cache import Cache
from crossjepa.train.cache.concat import JoinedCaches
from crossjepa.train.common.rng import CloudRng
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.dense import check_dense, choose_points
from crossjepa.train.pretrain.embedding_rows import embedding_rows
from crossjepa.train.pretrain.placement import Augmented, draw_motion, normalize
from crossjepa.train.pretrain.scans import Scanner, scan

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
        moved: dict[str, Any] = {
            name: part if part is None else part.to(device, non_blocking=True)
            for name, part in self._asdict().items()
        }
        return Batch(**moved)


class Prepared(NamedTuple):
    """A batch that still lacks its embeddings, which are many and need no preparation.

    Attributes:
        batch: the batch, with embeddings of width 0.
        row_B: (B,) rows of the cache.
        view_BV: (B, V) views of each.
    """

    batch: Batch
    row_B: Tensor
    view_BV: Tensor


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
        """Moves a batch to the device and adds the embeddings of its views."""
        batch, row_B, view_BV = prepared
        return batch.to(self.device)._replace(embeddings_BVD=self.embeddings(row_B, view_BV))

    def prepare(self, step: int) -> Prepared:
        """Samples and augments the clouds of a step, as any process may do for another."""
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
        """Samples and augments clouds; the keys, with the number of the row, seed their random numbers."""
        data, cache = self.config.data, self.cache
        # Farthest point sampling of a batch takes seconds on a CPU, so points go to the device as stored.
        stored_BP3 = torch.from_numpy(cache.points_of(row_B)).to(self.device)
        rng = _rng(row_B, key)
        view_BV = rng.uniform(cache.views).argsort(dim=1)[:, : data.views_per_step]
        views = cache.cameras_of(row_B, view_BV.numpy())
        pose_BV5 = torch.from_numpy(views.poses_BV5).to(self.device)
        azimuth_BV, elevation_BV = torch.deg2rad(pose_BV5[..., 0]), torch.deg2rad(pose_BV5[..., 1])
        pose_BV3 = torch.stack([azimuth_BV, elevation_BV, pose_BV5[..., 3]], dim=-1)

        def sample(rng: CloudRng, key: tuple[int, ...]) -> Augmented:
            here = rng.on(self.device)
            if self.config.augment.is_off:
                points_BN3 = sample_points(stored_BP3, count, here, even)
                return augment(points_BN3, pose_BV3, here, data.scale_range, data.jitter)
            scanner = Scanner(self.config.augment, _rng(row_B, (*key, _SCAN)), self.device)
            fewest = self.config.fewest_points(count)
            return scan(
                stored_BP3, pose_BV3, count, even, fewest, here, scanner, data.scale_range, data.jitter
            )

        cloud = sample(rng, key)
        other = sample(_rng(row_B, other_key), other_key) if other_key else cloud
        queries = self.config.loss.dense_points if self.config.loss.dense_weight else 0
        dense = choose_points(cache, row_B, stored_BP3, queries, _rng(row_B, (*key, _DENSE)))
        batch = Batch(
            cloud.points_BN3,
            other.points_BN3,
            cloud.pose_BV3,
            torch.from_numpy(views.histograms_BVH).to(self.device),
            pose_BV3[..., :0],
            cloud.placement.apply(dense.points_BQ3),
            dense.targets_BQK,
            dense.seen_BQ,
            cloud.mask_BN,
            other.mask_BN,
        )
        return Prepared(batch, torch.from_numpy(row_B), view_BV)


def _rng(row_B: NDArray[np.int64], key: tuple[int, ...]) -> CloudRng:
    """Returns random numbers that depend on the key and, for each cloud, on its row of the cache alone."""
    return CloudRng([np.random.default_rng([*key, row]) for row in row_B])


def sample_points(stored_BP3: Tensor, count: int, rng: CloudRng, even: bool) -> Tensor:
    """Samples points from those stored, at random or evenly spread.

    Scans and files with more points than the network takes are reduced by farthest point sampling, so the
    encoder must know that kind of cloud too.

    Args:
        stored_BP3: (B, P, 3) points uniform by area, in random order.
        count: points to sample (N).
        rng: random numbers, on the device of the points.
        even: whether to take a farthest point sample of twice as many points.

    Returns:
        (B, N, 3) points.
    """
    sampled = 2 * count if even else count
    start_B1 = (rng.uniform(1) * stored_BP3.shape[1]).long()
    index_BM = (start_B1 + torch.arange(sampled, device=start_B1.device)) % stored_BP3.shape[1]
    points_BM3 = gather_points(stored_BP3, index_BM)
    return gather_points(points_BM3, farthest_point_sampling(points_BM3, count)) if even else points_BM3


def augment(
    points_BN3: Tensor, pose_BV3: Tensor, rng: CloudRng, scale_range: float, jitter: float
) -> Augmented:
    """Turns and mirrors clouds together with the cameras, stretches them a little, and normalizes again.

    The teacher's picture stays the same. It is what the turned cameras see of a turned cloud. Of a mirrored
    cloud they see its mirror image, except that the light comes from the same side as before: the teacher's
    embedding of the picture stands for that of its mirror image.

    Args:
        points_BN3: (B, N, 3) points, y up.
        pose_BV3: (B, V, 3) azimuth and elevation of the cameras in radians, and their distance.
        rng: random numbers, on the device of the points.
        scale_range: each axis is scaled by 1 - range to 1 + range.
        jitter: standard deviation of the noise, in radii.

    Returns:
        The augmented clouds, without a mask.
    """
    motion = draw_motion(rng, scale_range)
    # Noise comes before the turn, which changes nothing but the order of the random numbers.
    noise_BN3 = jitter * rng.normal(*points_BN3.shape[1:])
    moved_BN3 = motion.turn(points_BN3 * motion.stretch_B13 + noise_BN3)
    points_BN3, placement = normalize(moved_BN3, motion.matrix_B33)
    return Augmented(points_BN3, motion.turn_cameras(pose_BV3), placement)
