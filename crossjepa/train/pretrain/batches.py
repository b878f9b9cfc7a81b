"""Batches from a cache, each a pure function of (seed, step).

B clouds, N points, P stored points, V views, H histogram bins, D teacher width
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.train.cache import Cache
from crossjepa.train.cache.concat import JoinedCaches
from crossjepa.train.common.rng import Draws
from crossjepa.train.pretrain.augment import augment, draw_points
from crossjepa.train.pretrain.config import PretrainConfig

# Salts that keep the draws for different purposes apart.
_ORDER, _HELD_OUT, _SAMPLE, _STEP, _OTHER = range(5)


class Batch(NamedTuple):
    """Clouds with the conditioning and embeddings of some of their views.

    Attributes:
        points_BN3: (B, N, 3) float32 augmented points, centroid 0, largest radius 1.
        other_points_BN3: another draw of the same objects for the point-to-point loss, else the same points.
        pose_BV3: (B, V, 3) azimuth and elevation in radians, distance in radii of the object.
        histogram_BVH: (B, V, 48) color histogram of each view.
        embeddings_BVD: (B, V, D) float32 embeddings as the teacher gave them.
    """

    points_BN3: Tensor
    other_points_BN3: Tensor
    pose_BV3: Tensor
    histogram_BVH: Tensor
    embeddings_BVD: Tensor

    def to(self, device: torch.device) -> Batch:
        """Returns the batch on a device."""
        return Batch(*(value.to(device, non_blocking=True) for value in self))


class Batches:
    """The training batches of one process.

    Args:
        cache: the teacher's embeddings, of one cache or several.
        config: the recipe.
        rank: number of this process.
        world: processes; each takes its rows of the same global batch.
        device: where points are drawn and augmented, and where the batches lie.
    """

    def __init__(
        self,
        cache: Cache | JoinedCaches,
        config: PretrainConfig,
        rank: int = 0,
        world: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        if config.batch_size % world:
            raise ValueError(f"batch_size {config.batch_size} must be a multiple of the {world} processes")
        # Whatever the seed: what one run held out, another from its weights on this cache must not see.
        shuffled = np.random.default_rng([0, _HELD_OUT]).permutation(len(cache))
        self.held_out_rows = np.sort(shuffled[: config.held_out])
        self.train_rows = np.sort(shuffled[config.held_out :])
        if len(self.train_rows) < config.batch_size:
            raise ValueError(
                f"{len(self.train_rows)} objects to train on do not fill a batch of {config.batch_size}"
            )
        if config.views_per_step > cache.views:
            raise ValueError(
                f"views_per_step is {config.views_per_step}, but the cache has {cache.views} views"
            )
        self.cache, self.config, self.rank, self.world, self.device = cache, config, rank, world, device
        self.steps_per_epoch = len(self.train_rows) // config.batch_size
        self.steps = config.steps or config.epochs * self.steps_per_epoch

    def __call__(self, step: int) -> Batch:
        """Returns this process's part of the batch of a step."""
        config = self.config
        epoch, number = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([config.seed, _ORDER, epoch]).permutation(self.train_rows)
        row_B = order[number * config.batch_size : (number + 1) * config.batch_size][self.rank :: self.world]
        even = np.random.default_rng([config.seed, _STEP, step]).random() < config.even_probability
        draws = Draws([np.random.default_rng([config.seed, _SAMPLE, epoch, row]) for row in row_B])
        others = Draws([np.random.default_rng([config.seed, _OTHER, epoch, row]) for row in row_B])
        count = config.encoder_at(step / self.steps).num_points
        return self._assemble(row_B, count, even, draws, others if config.points_weight else None)

    def held_out(self, start: int, stop: int, count: int) -> Batch:
        """Returns held-out objects as they are drawn in training, but always with the same random numbers.

        Args:
            start: the first of them.
            stop: the one after the last.
            count: points of a cloud (N).
        """
        row_B = self.held_out_rows[start:stop]
        even = np.random.default_rng([0, _STEP, start]).random() < self.config.even_probability
        draws = Draws([np.random.default_rng([0, _HELD_OUT, row]) for row in row_B])
        return self._assemble(row_B, count, even, draws, None)

    def _assemble(
        self, row_B: NDArray[np.int64], count: int, even: bool, draws: Draws, others: Draws | None
    ) -> Batch:
        config, cache = self.config, self.cache
        # Farthest point sampling of a whole batch takes a CPU seconds, so points go to the device as stored.
        stored_BP3 = torch.from_numpy(cache.points_of(row_B)).to(self.device)
        order_BV = draws.uniform(cache.views).argsort(dim=1)
        views = cache.views_of(row_B, order_BV[:, : config.views_per_step].numpy())
        pose_BV5 = torch.from_numpy(views.poses_BV5).to(self.device)

        def drawn(generators: Draws, azimuth_BV: Tensor) -> tuple[Tensor, Tensor]:
            source = generators.on(self.device)
            points_BN3 = draw_points(stored_BP3, count, source, even)
            return augment(points_BN3, azimuth_BV, source, config.scale_range, config.jitter)

        points_BN3, azimuth_BV = drawn(draws, torch.deg2rad(pose_BV5[..., 0]))
        return Batch(
            points_BN3,
            drawn(others, azimuth_BV)[0] if others else points_BN3,
            torch.stack([azimuth_BV, torch.deg2rad(pose_BV5[..., 1]), pose_BV5[..., 3]], dim=-1),
            torch.from_numpy(views.histograms_BVH).to(self.device),
            torch.from_numpy(views.embeddings_BVD).to(self.device),
        )
