"""ONNX files give what torch gives, for any number of clouds and points."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa import CrossJEPAEncoder, NoHeadError
from crossjepa.export.onnx import OPSET, export_onnx
from crossjepa.ops import interpolate_tokens
from tests.helpers.encoders import clouds
from tests.helpers.heads import CLASSES, PARTS, with_head
from tests.helpers.onnx_files import largest_difference, need_onnx, onnx_file, session_of
from tests.helpers.tiny_weights import make_encoder

TOLERANCE = 1e-4
SIZES = [(batch, points) for batch in (1, 7) for points in (1, 63, 1024, 5000)]


@pytest.mark.slow
def test_features_and_tokens_of_the_bundled_weights(tmp_path: Path) -> None:
    encoder = CrossJEPAEncoder.from_pretrained("crossjepa-base")
    session = session_of(onnx_file(encoder, tmp_path))
    for batch, points in SIZES:
        points_BN3 = clouds(batch, points, seed=points)
        features, tokens, centers, mask = session.run(None, {"points": points_BN3.numpy()})
        with torch.inference_mode():
            expected = encoder(points_BN3)
        real = min(points, 64)
        assert largest_difference(features, expected.pooled) < TOLERANCE
        assert largest_difference(tokens[:, :real], expected.tokens[:, :real]) < TOLERANCE
        assert largest_difference(centers[:, :real], expected.centers[:, :real]) == 0
        assert mask.sum() == batch * real


@pytest.mark.slow
def test_features_of_points(tmp_path: Path) -> None:
    encoder = make_encoder()
    session = session_of(onnx_file(encoder, tmp_path, "points"))
    for batch, points in SIZES:
        points_BN3 = clouds(batch, points, seed=points)
        with torch.inference_mode():
            found = encoder(points_BN3)
            expected = interpolate_tokens(points_BN3, found.centers, found.tokens, found.token_mask)
        (features,) = session.run(["features"], {"points": points_BN3.numpy()})
        assert largest_difference(features, expected) < TOLERANCE


@pytest.mark.slow
def test_scores_of_classes(tmp_path: Path) -> None:
    model = with_head(make_encoder(), CLASSES)
    session = session_of(onnx_file(model, tmp_path))
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list(CLASSES.classes)
    for batch, points in SIZES:
        points_BN3 = clouds(batch, points, seed=points)
        with torch.inference_mode():
            expected = model.forward_head(model.head_features(points_BN3))
        (scores,) = session.run(["scores"], {"points": points_BN3.numpy()})
        assert largest_difference(scores, expected) < TOLERANCE


@pytest.mark.slow
def test_scores_of_parts(tmp_path: Path) -> None:
    model = with_head(make_encoder(), PARTS)
    session = session_of(onnx_file(model, tmp_path))
    for batch, points in SIZES:
        points_BN3, label_B = clouds(batch, points, seed=points), torch.arange(batch) % 2
        with torch.inference_mode():
            expected = model.forward_head(model.head_features(points_BN3), points_BN3, label_B)
        (scores,) = session.run(["scores"], {"points": points_BN3.numpy(), "label": label_B.numpy()})
        assert largest_difference(scores, expected) < TOLERANCE


@pytest.mark.slow
def test_the_file_states_its_opset_and_names_and_no_file_of_this_machine(tiny_onnx: Path) -> None:
    import onnx

    model = onnx.load(tiny_onnx)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert [value.name for value in model.graph.input] == ["points"]
    shape = [axis.dim_param or axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == ["batch", "points", 3]
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert (facts["library"], facts["output"], facts["pool"]) == ("crossjepa", "tokens", "max+mean")
    content = tiny_onnx.read_bytes()
    for folder in (Path.cwd(), Path(torch.__file__).parent, Path(__file__).parent):
        assert str(folder).encode() not in content


@pytest.mark.slow
def test_the_same_model_gives_the_same_bytes(tiny_onnx: Path, tmp_path: Path) -> None:
    assert onnx_file(make_encoder(), tmp_path).read_bytes() == tiny_onnx.read_bytes()


@pytest.mark.slow
def test_weights_in_8_bits(tiny_onnx: Path, tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "model.onnx"
    graph = export_onnx(make_encoder(), path, int8=True)
    model = onnx.load(path)
    assert {entry.key: entry.value for entry in model.metadata_props} == graph.facts
    assert graph.facts["weights"] == "int8"
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("MatMulInteger") > 10
    points = clouds(7, 100).numpy()
    found, expected = (session_of(one).run(["features"], {"points": points})[0] for one in (path, tiny_onnx))
    assert not np.array_equal(found, expected)
    cosines = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines.min() > 0.99


def test_a_refusal_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    need_onnx()
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(NoHeadError):
        export_onnx(make_encoder(), path, output="scores")
    assert path.read_bytes() == b"old"


def test_without_the_extra_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"crossjepa\[onnx\]|needs torch"):
        export_onnx(make_encoder(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
