"""Batches and caches of noise, to measure with.

B clouds, N points, V views
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crossjepa.train.cache import HISTOGRAM_BINS, POSE_FIELDS, Cache, FloatRows, to_bfloat16
from crossjepa.train.pretrain.batches import Batch
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.render.views import RenderConfig


def random_batch(config: PretrainConfig, target_width: int, points: int, device: torch.device) -> Batch:
    """Returns a batch of the recipe's shapes, filled with noise."""
    batch, views = config.data.batch_size, config.data.views_per_step
    points_BN3 = torch.randn(batch, points, 3)
    parts = (
        torch.rand(batch, views, 3),
        torch.rand(batch, views, HISTOGRAM_BINS),
        torch.randn(batch, views, target_width),
    )
    return Batch(points_BN3, points_BN3, *parts).to(device)


def random_cache(objects: int, views: int, target_width: int) -> Cache:
    """Returns a cache of noise whose objects are all the same, so that it takes no memory."""
    random = np.random.default_rng(0).random

    def same(values: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(values, (objects, *values.shape))

    return Cache(
        embeddings_SVD=FloatRows(same(to_bfloat16(random((views, target_width))))),
        poses_SV5=same(random((views, len(POSE_FIELDS)), np.float32)),
        histograms_SVH=same(random((views, HISTOGRAM_BINS)).astype(np.float16)),
        points_SP3=same(random((RenderConfig().stored_points, 3)).astype(np.float16)),
        done_S=same(np.array(True)),
        checksums_S=None,
        sources_S=None,
        manifest={},
    )
