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
from tests.helpers.ends import assert_same_weights
from tests.helpers.runs import QUIET


def test_workers_prepare_the_same_batches_in_the_same_order(config: PretrainConfig) -> None:
    scans = config.change(dropout_local_probability=0.5, outlier_probability=0.5, noise_probability=0.5)
    batches = Batches(open_cache(config.data.cache), scans, rank=1, world=2)
    process = Process(1, 2, torch.device("cpu"))
    for step, prepared in enumerate(prepared_steps(batches, process, 2, 7, workers=2), start=2):
        expected = batches.prepare(step)
        for name, value in expected.batch._asdict().items():
            found = getattr(prepared.batch, name)
            assert (found is None) if value is None else torch.equal(found, value), name
        assert torch.equal(prepared.row_B, expected.row_B) and torch.equal(prepared.view_BV, expected.view_BV)
    assert step == 6


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
