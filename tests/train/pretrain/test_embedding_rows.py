"""Embeddings of a batch are the cache's, wherever they are kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossjepa.train.cache import open_cache
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.embedding_rows import embedding_rows

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


@pytest.mark.parametrize("device", DEVICES)
def test_embeddings_are_those_of_the_cache(config: PretrainConfig, device: str) -> None:
    cache = open_cache(config.data.cache)
    row_B, view_BV = np.array([3, 0, 3]), np.array([[1, 0], [0, 1], [1, 1]])
    look_up = embedding_rows(cache, torch.device(device))
    found_BVD = look_up(torch.from_numpy(row_B), torch.from_numpy(view_BV))
    assert found_BVD.device.type == device and found_BVD.dtype == torch.float32
    assert np.array_equal(found_BVD.cpu().numpy(), cache.embeddings_SVD[row_B[:, None], view_BV])
