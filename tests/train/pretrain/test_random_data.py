"""Batches and caches of noise, to measure with."""

from __future__ import annotations

import torch

from crossjepa.train.cache import open_cache
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.random_data import random_batch, random_cache
from tests.helpers.small_cache import WIDTH


def test_random_batches_have_the_shapes_of_real_ones(config: PretrainConfig) -> None:
    real = Batches(open_cache(config.data.cache), config)(0)
    noise = random_batch(config, WIDTH, real.points_BN3.shape[1], torch.device("cpu"))
    assert [value.shape for value in noise] == [value.shape for value in real]
    assert [value.dtype for value in noise] == [value.dtype for value in real]


def test_random_caches_of_many_objects_take_no_memory() -> None:
    cache = random_cache(10_000_000, 8, 768)
    assert (len(cache), cache.views, cache.width) == (10_000_000, 8, 768)
    for array in (cache.embeddings_SVD.stored, cache.points_SP3, cache.histograms_SVH, cache.poses_SV5):
        assert array.strides[0] == 0
