"""`backend="onnx"`: the same features from onnxruntime, and a clear error for what a file does not hold."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossjepa import CrossJEPAEncoder, WeightsError
from crossjepa.models.onnx_network import load_onnx
from tests.conftest import SAMPLES
from tests.helpers.heads import CLASSES, PARTS, with_head
from tests.helpers.onnx_files import onnx_file
from tests.helpers.tiny_weights import make_encoder

FILES = [SAMPLES / f"{name}.obj" for name in ("chair", "horse", "table")]
TOLERANCE: dict[str, Any] = {"rtol": 0, "atol": 1e-4}


def load(source: Path, **options: Any) -> CrossJEPAEncoder:
    return CrossJEPAEncoder.from_pretrained(source, backend="onnx", **options)


@pytest.mark.slow
def test_features_of_files_and_of_clouds_of_all_sizes(tiny_onnx: Path) -> None:
    torch_model, model = make_encoder(), load(tiny_onnx)
    rng = np.random.default_rng(0)
    clouds = [rng.normal(size=(points, 3)) for points in (300, 1, 5, 64, 5, 63)]
    for sources in (FILES, clouds):
        np.testing.assert_allclose(model.encode(sources), torch_model.encode(sources), **TOLERANCE)
    pooled, expected = (one.encode(clouds, pool="mean", normalize=True) for one in (model, torch_model))
    np.testing.assert_allclose(pooled, expected, **TOLERANCE)
    found = model.encode_points(FILES[0])
    np.testing.assert_allclose(found, torch_model.encode_points(FILES[0]), **TOLERANCE)


@pytest.mark.slow
def test_a_folder_is_searched_for_model_onnx_and_the_config_is_that_of_the_model(
    tiny_onnx: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_onnx, tmp_path / "model.onnx")
    model = load(tmp_path)
    assert model.model_config == make_encoder().model_config
    assert (model.device.type, model.dtype, model.num_features) == ("cpu", torch.float32, 24)
    assert not list(model.parameters())
    tokens = model.forward_features(torch.rand(2, 64, 3))
    assert tokens.shape == (2, 8, 24)


@pytest.mark.slow
def test_a_classifier_predicts(tmp_path: Path) -> None:
    torch_model = with_head(make_encoder(), CLASSES)
    model = load(onnx_file(torch_model, tmp_path))
    found, expected = (one.predict_proba(FILES, votes=2) for one in (model, torch_model))
    np.testing.assert_allclose(found, expected, **TOLERANCE)
    assert model.predict(FILES[0]).label == torch_model.predict(FILES[0]).label
    with pytest.raises(WeightsError, match="was exported with --output scores: export with --output tokens"):
        model.encode(FILES)
    with pytest.raises(TypeError, match="takes what head_features"):
        model.forward_head(make_encoder()(torch.rand(1, 9, 3)))


@pytest.mark.slow
def test_parts_are_named_by_onnxruntime_itself(tiny_onnx: Path, tmp_path: Path) -> None:
    import onnx

    content = onnx.load(tiny_onnx)
    (config,) = (entry for entry in content.metadata_props if entry.key == "config")
    config.value = json.dumps(with_head(make_encoder(), PARTS).model_config.to_dict())
    onnx.save(content, tmp_path / "model.onnx")
    model = load(tmp_path)
    assert model.part_names == PARTS.part_names
    with pytest.raises(WeightsError, match="gives scores of parts for the points that it gets"):
        model.predict_parts(FILES[0], "a")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "call"),
    [
        ("tokens of inner blocks", lambda model: model.forward_intermediates(torch.rand(1, 9, 3))),
        ("tokens of inner blocks", lambda model: model.get_intermediate_layers(torch.rand(1, 9, 3))),
        ("tokens of inner blocks", lambda model: model.network.transform(None)),
        ("groups of points", lambda model: model.network.group(torch.rand(1, 9, 3))),
        ("weights to save", lambda model: model.save_pretrained("weights")),
    ],
)
def test_what_a_file_does_not_hold_is_said(
    wanted: str, call: Callable[[CrossJEPAEncoder], object], tiny_onnx: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=f'has no {wanted}: load the model with backend="torch"'):
        call(load(tiny_onnx))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_inputs_are_checked_as_by_torch(tiny_onnx: Path) -> None:
    model = load(tiny_onnx)
    with pytest.raises(ValueError, match=r"points must have shape \(B, N, 3\)"):
        model(torch.rand(4, 3))
    with pytest.raises(ValueError, match="mask has shape"):
        model(torch.rand(2, 4, 3), torch.ones(2, 5, dtype=torch.bool))


@pytest.mark.slow
def test_a_damaged_file_and_one_of_others(tiny_onnx: Path, tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_onnx.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="no complete ONNX file"):
        load(path)
    model = onnx.load(tiny_onnx)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(WeightsError, match="metadata are not those of `crossjepa export-onnx`"):
        load(path)


def test_what_cannot_be_loaded_is_said_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"`crossjepa export-onnx crossjepa-base -o model\.onnx`"):
        load_onnx(CrossJEPAEncoder, "crossjepa-base")
    with pytest.raises(WeightsError, match="no ONNX file"):
        load(tmp_path)
    with pytest.raises(ValueError, match="backend must be 'torch' or 'onnx', not 'jax'"):
        CrossJEPAEncoder.from_pretrained("crossjepa-base", backend="jax")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"in float32 on the CPU, not in torch\.bfloat16"):
        load(tmp_path, dtype=torch.bfloat16)


def test_without_the_extra_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install crossjepa\[onnx\]"):
        load(tmp_path)
