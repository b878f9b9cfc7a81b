"""What the files of a model say before tensors are read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from crossjepa.errors import WeightsError
from crossjepa.model_header import CONFIG_NAME, WEIGHTS_NAME, opened, read_config, stored_shapes
from tests.helpers.tiny_weights import make_encoder


def test_shapes_are_those_of_the_tensors(tmp_path: Path) -> None:
    make_encoder().to(torch.bfloat16).save_pretrained(tmp_path)  # a type that NumPy lacks
    tensors = load_file(tmp_path / WEIGHTS_NAME)
    assert stored_shapes(tmp_path / WEIGHTS_NAME) == {
        name: tuple(each.shape) for name, each in tensors.items()
    }
    with opened(tmp_path / WEIGHTS_NAME, "pt") as file:
        assert torch.equal(file.get_tensor("norm.weight"), tensors["norm.weight"])


def test_the_config_is_that_of_the_model(tmp_path: Path) -> None:
    encoder = make_encoder()
    encoder.save_pretrained(tmp_path)
    assert read_config(tmp_path) == encoder.model_config


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a complete safetensors file"),
        (bytes(range(200)), "not a complete safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / WEIGHTS_NAME).write_bytes(content)
    with pytest.raises(WeightsError, match=reason) as raised:
        stored_shapes(tmp_path / WEIGHTS_NAME)
    assert str(tmp_path / WEIGHTS_NAME) in str(raised.value)


def test_a_config_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / CONFIG_NAME).write_text("[1]")
    with pytest.raises(WeightsError, match="not a JSON object"):
        read_config(tmp_path)
