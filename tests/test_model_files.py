"""Weights on the disk: strict loading, and saving that is complete or does not happen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from crossjepa import CrossJEPAEncoder
from crossjepa.model_files import CONFIG_NAME, WEIGHTS_NAME, weights_digest
from tests.helpers.tiny_weights import change_config, fingerprint, make_encoder, refused, saved_files

# ----------------------------------------------------------------------------------------------------
# Strict loading


def change_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> str:
    """Saves an encoder, changes its stored tensors and returns why they are refused."""
    make_encoder().save_pretrained(folder)
    tensors = load_file(folder / WEIGHTS_NAME)
    change(tensors)
    save_file(tensors, folder / WEIGHTS_NAME)
    return refused(folder, WEIGHTS_NAME)


def test_missing_and_unexpected_tensors(tmp_path: Path) -> None:
    reason = change_tensors(tmp_path, lambda tensors: tensors.update(other=tensors.pop("norm.weight")))
    assert "missing: norm.weight" in reason and "unexpected: other" in reason


def test_wrong_shape(tmp_path: Path) -> None:
    reason = change_tensors(tmp_path, lambda tensors: tensors.update({"norm.weight": torch.zeros(5)}))
    assert "norm.weight (5,), expected (24,)" in reason


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(tmp_path: Path, value: float) -> None:
    reason = change_tensors(tmp_path, lambda tensors: tensors["norm.weight"][3:4].fill_(value))
    assert "norm.weight" in reason and "not finite" in reason


def test_values_too_large_for_float32(tmp_path: Path) -> None:
    large = torch.full((24,), 1e300, dtype=torch.float64)
    reason = change_tensors(tmp_path, lambda tensors: tensors.update({"norm.weight": large}))
    assert "norm.weight" in reason and "not finite" in reason


def test_integers_for_floats(tmp_path: Path) -> None:
    integers = torch.ones(24, dtype=torch.int64)
    reason = change_tensors(tmp_path, lambda tensors: tensors.update({"norm.weight": integers}))
    assert "norm.weight is torch.int64, expected torch.float32" in reason


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_truncated_file(tmp_path: Path, kept: int) -> None:
    make_encoder().save_pretrained(tmp_path)
    whole = (tmp_path / WEIGHTS_NAME).read_bytes()
    (tmp_path / WEIGHTS_NAME).write_bytes(whole[:kept])
    assert "not a complete safetensors file" in refused(tmp_path, WEIGHTS_NAME)


def test_garbage_files(tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path)
    (tmp_path / WEIGHTS_NAME).write_bytes(bytes(range(256)) * 9)
    assert "not a complete safetensors file" in refused(tmp_path, WEIGHTS_NAME)
    for garbage in (b"\xff\xfe\x00", b"", b"{", b"[1]", b"null"):
        (tmp_path / CONFIG_NAME).write_bytes(garbage)
        assert refused(tmp_path, CONFIG_NAME)


def test_unknown_config_fields(tmp_path: Path) -> None:
    assert "color" in change_config(tmp_path, lambda values: values.update(color=1))
    assert "color" in change_config(tmp_path, lambda values: values["encoder"].update(color=1))
    assert "color" in change_config(tmp_path, lambda values: values["processor"].update(color=1))


def test_impossible_config_values(tmp_path: Path) -> None:
    assert "num_heads" in change_config(tmp_path, lambda values: values["encoder"].update(num_heads=5))
    assert "width" in change_config(tmp_path, lambda values: values["encoder"].update(width="24"))
    assert "processor" in change_config(tmp_path, lambda values: values.pop("processor"))


def test_newer_config_format(tmp_path: Path) -> None:
    assert "upgrade" in change_config(tmp_path, lambda values: values.update(format_version=2))


# ----------------------------------------------------------------------------------------------------
# Saving


def test_save_and_load_are_exact(tmp_path: Path) -> None:
    encoder = make_encoder()
    encoder.save_pretrained(tmp_path / "made" / "here")
    loaded = CrossJEPAEncoder.from_pretrained(tmp_path / "made" / "here")
    assert fingerprint(loaded) == fingerprint(encoder)
    assert loaded.model_config == encoder.model_config
    assert not loaded.training


def test_same_weights_same_bytes(tmp_path: Path) -> None:
    first = saved_files(make_encoder(), tmp_path)
    assert all(saved_files(make_encoder(), tmp_path) == first for _ in range(8))


def test_half_precision_file_loads_to_float32(tmp_path: Path) -> None:
    encoder = make_encoder()
    encoder.save_pretrained(tmp_path, dtype=torch.float16)
    assert load_file(tmp_path / WEIGHTS_NAME)["norm.weight"].dtype == torch.float16
    loaded = CrossJEPAEncoder.from_pretrained(tmp_path).state_dict()
    for name, value in encoder.state_dict().items():
        expected = value.half().float() if value.is_floating_point() else value
        assert loaded[name].dtype == value.dtype
        assert torch.equal(loaded[name], expected)


def test_dtype_of_the_loaded_model(tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path)
    assert CrossJEPAEncoder.from_pretrained(tmp_path, dtype=torch.bfloat16).dtype == torch.bfloat16


def test_failed_write_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved_files(make_encoder(0), tmp_path)
    for failing in (1, 2):
        monkeypatch.setattr(os, "fsync", fail_at_call(failing))
        with pytest.raises(OSError, match="disk full"):
            make_encoder(1).save_pretrained(tmp_path)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert fingerprint(CrossJEPAEncoder.from_pretrained(tmp_path)) == fingerprint(make_encoder(0))


def fail_at_call(number: int) -> Callable[[int], None]:
    """Returns a stand-in for fsync that fails at one call."""
    calls: list[int] = []

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == number:
            raise OSError("disk full")

    return fsync


def test_provenance_that_is_not_json_leaves_the_old_files(tmp_path: Path) -> None:
    before = saved_files(make_encoder(0), tmp_path)
    with pytest.raises(TypeError, match="JSON"):
        make_encoder(1).with_provenance(data=object()).save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# ----------------------------------------------------------------------------------------------------
# Digests


def test_weights_differ_by_value_name_shape_and_dtype() -> None:
    layer = nn.Linear(2, 2)
    nn.init.zeros_(layer.weight)
    digests = {weights_digest(layer), weights_digest(nn.Sequential(layer))}
    digests.add(weights_digest(layer.to(torch.bfloat16)))
    layer.to(torch.float32)
    with torch.no_grad():
        layer.weight[0, 0] = 1
    digests.add(weights_digest(layer))
    wide = nn.Linear(4, 1)
    assert len({*digests, weights_digest(wide)}) == 5
