"""Batches prepared by other processes are those that this one would have prepared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossjepa.train.cache import open_cache
from crossjepa.train.common.distributed import Process
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.prefetch import default_workers, prepared_steps
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.cuda import DEVICE, ON_GPU, needs_device
from tests.helpers.ends import assert_same_weights
from tests.helpers.runs import QUIET

SCANS = {"dropout_local_probability": 0.5, "outlier_probability": 0.5, "noise_probability": 0.5}


@pytest.mark.parametrize("changes", [{"points_weight": 1.0}, SCANS])
def test_workers_prepare_the_same_batches_in_the_same_order(
    config: PretrainConfig, changes: dict[str, float]
) -> None:
    changed = config.change(even_probability=0.5, **changes)
    batches = Batches(open_cache(config.data.cache), changed, rank=1, world=2)
    sizes = set()
    process = Process(1, 2, torch.device("cpu"))
    for step, prepared in enumerate(prepared_steps(batches, process, 2, 7, workers=2), start=2):
        found = batches.complete(prepared)
        for name, value in batches(step)._asdict().items():
            part = getattr(found, name)
            assert (part is None) if value is None else torch.equal(part, value), name
        sizes.add(prepared.cloud.points_BM3.shape[1] // found.points_BN3.shape[1])
    assert step == 6
    assert sizes == {1, 2}, "evenly spread points are still to be chosen"


@pytest.mark.cuda
@needs_device
@pytest.mark.parametrize("changes", [{"points_weight": 1.0}, SCANS])
def test_a_gpu_finishes_what_workers_prepare(config: PretrainConfig, changes: dict[str, float]) -> None:
    changed = config.change(even_probability=1.0, **changes)
    cache, device = open_cache(config.data.cache), torch.device(DEVICE)
    here, there = Batches(cache, changed), Batches(cache, changed, device=device)
    for step, prepared in enumerate(prepared_steps(there, Process(0, 1, device), 0, 3, workers=2)):
        assert prepared.cloud.points_BM3.device.type == "cpu"
        assert prepared.cloud.points_BM3.is_pinned() == ON_GPU
        for one, other in zip(here(step), there.complete(prepared), strict=True):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert other.device.type == device.type
                torch.testing.assert_close(one, other.cpu(), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_run_with_workers_ends_as_one_without(config: PretrainConfig, tmp_path: Path) -> None:
    pretrain(config, tmp_path / "without", QUIET)
    pretrain(config, tmp_path / "with", replace(QUIET, workers=2, stop_after=5))
    pretrain(config, tmp_path / "with", replace(QUIET, workers=1))
    assert_same_weights(tmp_path / "without", tmp_path / "with")


def test_only_beside_a_gpu_do_others_prepare_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_workers(torch.device("cpu")) == 0
    alone = default_workers(torch.device("cuda"))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert alone == 0 or default_workers(torch.device("cuda")) < alone
