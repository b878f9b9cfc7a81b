"""Configs and weights that are not what they should be: one error, at once, that names the file."""

from __future__ import annotations

import dataclasses
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from crossjepa import CrossJEPAEncoder, WeightsError
from crossjepa.config import EncoderConfig, ProcessorConfig
from crossjepa.model_files import CONFIG_NAME, WEIGHTS_NAME
from crossjepa.models.point_encoder import PointEncoder
from tests.helpers.tiny_weights import change_config, fingerprint, make_encoder, refused

ANYTHING: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, "x", "4", [], {}, [1], float("inf"), float("nan"), 10**7, 10**30, 2**63,
)  # fmt: skip
FIELDS = [
    (section, field.name)
    for section, kind in (("encoder", EncoderConfig), ("processor", ProcessorConfig))
    for field in dataclasses.fields(kind)
]


@pytest.mark.parametrize(("section", "field"), FIELDS)
def test_a_config_with_anything_in_its_place(tmp_path: Path, section: str, field: str) -> None:
    make_encoder().save_pretrained(tmp_path)
    path = tmp_path / CONFIG_NAME
    values = json.loads(path.read_text())
    for value in ANYTHING:
        changed = {**values, section: {**values[section], field: value}}
        path.write_text(json.dumps(changed))
        try:
            encoder = CrossJEPAEncoder.from_pretrained(tmp_path)
        except WeightsError as error:
            assert str(tmp_path) in error.source
            assert len(str(error)) < 1000
        else:  # it is a value that the field may have, and the model works
            assert np.isfinite(encoder.encode(np.eye(3))).all()
    if values[section].pop(field, None) is None:  # a step that is off is left out
        return
    path.write_text(json.dumps(values))
    assert f"missing field(s) ['{field}']" in refused(tmp_path, CONFIG_NAME)


@pytest.mark.parametrize("field", ["encoder", "processor", "provenance", "format_version"])
@pytest.mark.parametrize("value", [value for value in ANYTHING if value != {}])
def test_sections_of_another_type(tmp_path: Path, field: str, value: object) -> None:
    assert change_config(tmp_path, lambda values: values.update({field: value}))


@pytest.mark.parametrize("field", ["encoder", "processor", "provenance", "format_version"])
def test_sections_that_are_missing(tmp_path: Path, field: str) -> None:
    assert field in change_config(tmp_path, lambda values: values.pop(field))


def test_configs_of_other_libraries(tmp_path: Path) -> None:
    reason = change_config(tmp_path, lambda values: values.update(library="timm"))
    assert reason == "a config of 'timm', not of crossjepa"


def test_a_network_is_built_only_if_the_file_has_its_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []
    original = PointEncoder.__init__

    def watched(self: PointEncoder, config: EncoderConfig, **options: Any) -> None:
        built.append(config.depth)
        original(self, config, **options)

    make_encoder().save_pretrained(tmp_path)
    values = json.loads((tmp_path / CONFIG_NAME).read_text())
    monkeypatch.setattr(PointEncoder, "__init__", watched)
    for depth in (1, 3, 1000):
        values["encoder"]["depth"] = depth
        (tmp_path / CONFIG_NAME).write_text(json.dumps(values))
        reason = refused(tmp_path, WEIGHTS_NAME)
        assert reason == f"holds the tensors of 2 blocks, but config.json says depth {depth}"
    assert built == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested too deeply"),
        (b" " * (17 << 20), "bytes are too many"),
        (b"9" * 5000, ""),
        (b'{"encoder": {"width": ' + b"9" * 5000 + b"}}", ""),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git lfs pull"),
    ],
)
def test_configs_that_are_something_else(tmp_path: Path, content: bytes, reason: str) -> None:
    make_encoder().save_pretrained(tmp_path)
    (tmp_path / CONFIG_NAME).write_bytes(content)
    assert reason in refused(tmp_path, CONFIG_NAME)
    values = make_encoder().model_config.to_dict()
    for _ in range(900):  # as deep as JSON may be, but not as deep as it can be written again
        values["provenance"] = {"a": values["provenance"]}
    (tmp_path / CONFIG_NAME).write_text(json.dumps(values))
    assert "nested too deeply" in refused(tmp_path, CONFIG_NAME)


def change_header(folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Saves an encoder, changes the header of its weights and returns why they are refused."""
    make_encoder().save_pretrained(folder)
    content = (folder / WEIGHTS_NAME).read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    (folder / WEIGHTS_NAME).write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
    return refused(folder, WEIGHTS_NAME)


@pytest.mark.parametrize(
    ("dtype", "width"), [("F4", 0.5), ("F6_E2M3", 0.75), ("C64", 8), ("I32", 4), ("X", 4)]
)
def test_types_that_cannot_be_read_or_are_no_floats(tmp_path: Path, dtype: str, width: float) -> None:
    make_encoder().save_pretrained(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS_NAME)
    # All other tensors as they are; this one takes as many bytes as its type needs.
    names = sorted(tensors, key=lambda name: tensors[name].element_size(), reverse=True)
    header: dict[str, Any] = {}
    body = b""
    for name in names:
        value = tensors[name]
        kind = {torch.float32: "F32", torch.int64: "I64"}[value.dtype]
        content = value.numpy().tobytes()
        if name == "norm.weight":
            kind, content = dtype, bytes(int(value.numel() * width))
        header[name] = {
            "dtype": kind, "shape": list(value.shape), "data_offsets": [len(body), len(body) + len(content)],
        }  # fmt: skip
        body += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (tmp_path / WEIGHTS_NAME).write_bytes(struct.pack("<Q", len(text)) + text + body)
    assert "norm.weight" in (reason := refused(tmp_path, WEIGHTS_NAME)) or "safetensors" in reason


def test_long_names_do_not_flood_a_terminal(tmp_path: Path) -> None:
    def rename(header: dict[str, Any]) -> None:
        header["y\x1b[31m" * 200_000] = header.pop("norm.weight")

    reason = change_header(tmp_path, rename)
    assert len(reason) <= 500 and "1 tensors missing: norm.weight" in reason and "\x1b" not in reason
    for name in ("x" * 5000, "org/" + "x" * 5000, "\0", "org/repo\0", "x" * 5000 + "/y"):
        with pytest.raises(WeightsError) as caught:
            CrossJEPAEncoder.from_pretrained(name, local_files_only=True)
        assert len(str(caught.value)) < 1600


@pytest.mark.parametrize("name", [CONFIG_NAME, WEIGHTS_NAME])
def test_files_that_are_no_files(tmp_path: Path, name: str) -> None:
    make_encoder().save_pretrained(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(name)
    for _ in range(2):
        with pytest.raises(WeightsError, match=f"has no {name}"):
            CrossJEPAEncoder.from_pretrained(tmp_path)
        (tmp_path / name).unlink()
        os.mkfifo(tmp_path / name) if hasattr(os, "mkfifo") else (tmp_path / name).mkdir()


def test_a_file_in_place_of_its_folder(tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path)
    for name, kind in ((tmp_path / WEIGHTS_NAME, "is a file"), (tmp_path / "no.safetensors", "no such file")):
        with pytest.raises(
            WeightsError, match=f"{kind}: give the folder that holds config.json and model.safe"
        ):
            CrossJEPAEncoder.from_pretrained(name)


def test_the_home_folder_has_a_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME" if os.name != "nt" else "USERPROFILE", str(tmp_path))
    make_encoder().save_pretrained(tmp_path / "model")
    assert fingerprint(CrossJEPAEncoder.from_pretrained("~/model")) == fingerprint(make_encoder())


@pytest.mark.parametrize("dtype", ["float16", torch.float64, torch.int8, None])
def test_types_that_a_model_cannot_have(tmp_path: Path, dtype: Any) -> None:
    make_encoder().save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"dtype must be torch\.float32, torch\.bfloat16 or torch\.float16, not"
    ):
        CrossJEPAEncoder.from_pretrained(tmp_path, dtype=dtype)
