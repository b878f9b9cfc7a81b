"""The device of a process, and what one process alone does with the helpers of several."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from crossjepa.train.common.distributed import (
    SyncedBatchNorm,
    all_mean,
    gather_rows,
    own_device,
    process_group,
    sync_batch_norms,
)


@pytest.mark.parametrize(
    ("gpus", "rank", "cuda"),
    [
        (1, 3, "cuda:0"),
        (2, 1, "cuda:1"),
        (4, 3, "cuda:3"),
    ],
)
def test_cuda_without_a_number_is_the_gpu_of_the_process(
    monkeypatch: pytest.MonkeyPatch, gpus: int, rank: int, cuda: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    assert own_device("cuda") == torch.device(cuda)
    for name in (None, "auto"):
        assert own_device(name) == torch.device(cuda)
    assert own_device("cuda:0") == torch.device("cuda:0")
    assert own_device("cpu") == torch.device("cpu")


def test_without_a_gpu_the_process_has_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setenv("LOCAL_RANK", "3")
    for name in (None, "auto", "cpu"):
        assert own_device(name) == torch.device("cpu")
    with pytest.raises(ValueError, match="device 'cuda' cannot be used: torch sees 0 GPUs"):
        own_device("cuda")


def test_one_process_keeps_its_rows_and_its_means() -> None:
    rows = torch.randn(3, 4)
    gathered, first = gather_rows(rows)
    assert gathered is rows
    assert first == 0
    assert torch.equal(all_mean(rows.clone()), rows)
    with process_group("cpu") as process:
        assert (process.rank, process.world, process.is_main) == (0, 1, True)


def test_only_plain_batch_norms_are_synchronized() -> None:
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Sequential(nn.BatchNorm1d(3)), nn.LayerNorm(3))
    sync_batch_norms(module)
    assert [type(child) for child in module.modules()].count(SyncedBatchNorm) == 2
