"""Names of devices."""

from __future__ import annotations

import pytest
import torch

from crossjepa import CrossJEPA, CrossJEPAEncoder
from crossjepa.device import resolve_device


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_is_the_fastest_device(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto") == torch.device(expected)
    assert resolve_device(None) == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cuda", "torch sees 0 GPUs"),
        ("cuda:3", "torch sees 0 GPUs"),
        (torch.device("cuda"), "torch sees 0 GPUs"),
        ("gpu", "Expected one of cpu"),
        ("cpu:x", "Invalid device string"),
    ],
)
def test_a_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str | torch.device, reason: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    message = f"device '{name}' cannot be used: .*{reason}"
    with pytest.raises(ValueError, match=message):
        resolve_device(name)
    for load in (CrossJEPAEncoder.from_pretrained, CrossJEPA.from_pretrained):
        with pytest.raises(ValueError, match=message):
            load("crossjepa-base", device=name)
    with pytest.raises(ValueError, match=message):
        CrossJEPAEncoder(device=name)


def test_one_gpu_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ValueError, match=r"device 'cuda:1' cannot be used: torch sees 1 GPU$"):
        resolve_device("cuda:1")


def test_auto_loads_anywhere() -> None:
    encoder = CrossJEPAEncoder.from_pretrained("crossjepa-base", device="auto")
    assert encoder.device.type == resolve_device("auto").type
