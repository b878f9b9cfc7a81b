"""Caches made on a GPU hold what those of the CPU hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import open_dataset
from crossjepa.train.cache import Cache, CacheConfig, DenseConfig, check_cache, make_cache
from crossjepa.train.cache.build import default_workers
from tests.conftest import SAMPLES
from tests.helpers.cuda import DEVICE, ON_DEVICE, ON_GPU, relative_error
from tests.helpers.teachers import RENDER, small_teacher

pytestmark = ON_DEVICE
NETWORKS = ["test_vit", "test_efficientnet"]


def made(config: CacheConfig, folder: Path, device: str, workers: int = 1) -> Cache:
    cache = make_cache(
        open_dataset([SAMPLES]), folder, config, device=device, workers=workers, progress=False
    )
    assert cache is not None
    assert check_cache(folder).problems == []
    return cache


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("embedding", ["cls", "layers"])
def test_embeddings_and_points(network: str, embedding: str, tmp_path: Path) -> None:
    config = CacheConfig(small_teacher(tmp_path, network), embedding, RENDER)  # type: ignore[arg-type]
    expected, found = made(config, tmp_path / "cpu", "cpu"), made(config, tmp_path / "device", DEVICE)
    rows = np.arange(len(expected))
    # The teacher computes in bfloat16, whose roundings differ.
    assert relative_error(found.embeddings_of(rows), expected.embeddings_of(rows)) < 5e-2
    assert np.array_equal(found.points_of(rows), expected.points_of(rows))
    assert np.array_equal(found.poses_SV5, expected.poses_SV5)
    difference = np.abs(np.asarray(found.histograms_SVH) - np.asarray(expected.histograms_SVH))
    assert float(difference.max()) < 5e-3


def test_two_processes_share_the_device(tmp_path: Path) -> None:
    config = CacheConfig(small_teacher(tmp_path), render=RENDER)
    alone, shared = made(config, tmp_path / "one", DEVICE), made(config, tmp_path / "two", DEVICE, workers=2)
    rows = np.arange(len(alone))
    assert np.array_equal(shared.embeddings_of(rows), alone.embeddings_of(rows))
    assert np.array_equal(shared.points_of(rows), alone.points_of(rows))
    if ON_GPU:
        assert default_workers(DEVICE) == 1


def test_dense_targets(tmp_path: Path) -> None:
    config = CacheConfig(small_teacher(tmp_path), render=RENDER)
    config = replace(config, dense=DenseConfig(points=40, channels=6))
    expected, found = made(config, tmp_path / "cpu", "cpu"), made(config, tmp_path / "device", DEVICE)
    rows = np.arange(len(expected))
    assert float((found.seen_of(rows) == expected.seen_of(rows)).mean()) > 0.98
    every_BK = np.tile(np.arange(40), (len(rows), 1))
    assert np.isfinite(found.dense_of(rows, every_BK)).all()
    assert found.basis_XM is not None and expected.basis_XM is not None
    assert relative_error(found.basis_XM[0], expected.basis_XM[0]) < 5e-2
