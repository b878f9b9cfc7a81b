"""The encoder on a GPU: the features of the CPU, whatever goes in, and nothing that depends on chance."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa import CrossJEPAEncoder
from tests.helpers.cuda import DEVICE, FILES, ON_DEVICE, base_sized, needs_gpu, relative_error
from tests.helpers.heads import CLASSES, PARTS, with_head
from tests.helpers.tiny_weights import make_encoder

pytestmark = ON_DEVICE


@pytest.fixture(scope="module")
def expected() -> CrossJEPAEncoder:
    """An encoder of the base size on the CPU."""
    return base_sized()


@pytest.fixture(scope="module")
def moved(expected: CrossJEPAEncoder) -> CrossJEPAEncoder:
    """The same on the device."""
    return copy.deepcopy(expected).to(DEVICE)


@pytest.fixture(scope="module")
def prepared_BN3(expected: CrossJEPAEncoder) -> Tensor:
    """The sample files as the network sees them, on the device."""
    return torch.stack([expected.preprocess(path) for path in FILES]).to(DEVICE)


def unequal() -> list[NDArray[np.float64]]:
    """Clouds of one to 3,000 points."""
    generator = np.random.default_rng(0)
    return [generator.normal(size=(count, 3)) for count in (1, 20, 63, 64, 500, 1024, 1025, 3000)]


@pytest.mark.parametrize("pool", ["max", "mean", "max+mean"])
def test_features_of_files(expected: CrossJEPAEncoder, moved: CrossJEPAEncoder, pool: str) -> None:
    features_nE = moved.encode(FILES, pool=pool, batch_size=3)  # type: ignore[call-overload]
    assert features_nE.dtype == np.float32
    assert relative_error(features_nE, expected.encode(FILES, pool=pool)) < 1e-4  # type: ignore[call-overload]


def test_features_of_clouds_of_unequal_sizes(expected: CrossJEPAEncoder, moved: CrossJEPAEncoder) -> None:
    clouds = unequal()
    features_nE = moved.encode(clouds)
    for found_E, expected_E in zip(features_nE, expected.encode(clouds), strict=True):
        assert relative_error(found_E, expected_E) < 1e-4
    alone_nE = np.stack([moved.encode(cloud) for cloud in clouds])
    assert relative_error(alone_nE, features_nE) < 1e-4


def test_features_in_bfloat16(expected: CrossJEPAEncoder, moved: CrossJEPAEncoder) -> None:
    half = copy.deepcopy(moved).to(torch.bfloat16)
    features_nE = half.encode(FILES)
    assert features_nE.dtype == np.float32
    assert 0 < relative_error(features_nE, expected.encode(FILES)) < 2e-2
    assert relative_error(half.encode(unequal()), expected.encode(unequal())) < 2e-2


def test_features_of_points(expected: CrossJEPAEncoder, moved: CrossJEPAEncoder) -> None:
    cloud = unequal()[-1]
    cloud[7] = np.nan
    for source in (FILES[0], cloud):
        found_NC, expected_NC = moved.encode_points(source), expected.encode_points(source)
        assert np.array_equal(np.isnan(found_NC), np.isnan(expected_NC))
        assert relative_error(np.nan_to_num(found_NC), np.nan_to_num(expected_NC)) < 1e-4
    assert [len(each) for each in moved.encode_points(unequal())] == [len(each) for each in unequal()]


def test_tensors_of_the_device_go_in_and_come_out(moved: CrossJEPAEncoder, prepared_BN3: Tensor) -> None:
    answer = moved.encode(prepared_BN3, convert_to_tensor=True)
    assert answer.device == moved.device == prepared_BN3.device
    assert relative_error(answer, moved.encode(prepared_BN3.cpu().numpy())) < 1e-6
    assert moved.encode(prepared_BN3[0], convert_to_tensor=True).shape == (576,)
    lengths = moved.encode(prepared_BN3, normalize=True, convert_to_tensor=True).norm(dim=1)
    assert torch.allclose(lengths, torch.ones_like(lengths))


def test_an_input_that_cannot_be_used_leaves_a_row_of_nan_on_the_device(moved: CrossJEPAEncoder) -> None:
    sources = [np.random.default_rng(0).normal(size=(50, 3)), np.full((9, 3), np.nan)]
    with pytest.warns(UserWarning, match="skipped input 1"):
        answer = moved.encode(sources, on_error="skip", convert_to_tensor=True)
    assert answer.device == moved.device
    assert answer.isnan().all(dim=1).tolist() == [False, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_depend_on_neither_chance_nor_order(
    moved: CrossJEPAEncoder, prepared_BN3: Tensor, dtype: torch.dtype
) -> None:
    network = copy.deepcopy(moved.network).to(dtype)
    order = torch.randperm(prepared_BN3.shape[1], generator=torch.Generator().manual_seed(0)).to(DEVICE)
    with torch.inference_mode():
        first, again, shuffled = (
            network(points_BN3) for points_BN3 in (prepared_BN3, prepared_BN3, prepared_BN3[:, order])
        )
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(first.pooled, again.pooled)
    assert torch.equal(first.tokens, shuffled.tokens)
    assert torch.equal(first.centers, shuffled.centers)


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_network_can_be_captured_as_a_graph(
    moved: CrossJEPAEncoder, prepared_BN3: Tensor, dtype: torch.dtype
) -> None:
    network = copy.deepcopy(moved.network).to(dtype)
    points_BN3 = torch.zeros_like(prepared_BN3)
    points_BN3.copy_(prepared_BN3)
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.inference_mode(), torch.cuda.stream(side):
        for _ in range(3):
            network(points_BN3)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # Anything that waits for the device, or reads from it, is refused here.
    with torch.inference_mode(), torch.cuda.graph(graph):
        captured = network(points_BN3)
    for batch_BN3 in (prepared_BN3, prepared_BN3.flip(0), 0.5 * prepared_BN3):
        points_BN3.copy_(batch_BN3)
        graph.replay()
        with torch.inference_mode():
            eager = network(batch_BN3)
        torch.cuda.synchronize()
        # Within a graph, cuBLAS may sum in another order.
        tolerance = 1e-6 if dtype == torch.float32 else 5e-3
        assert relative_error(captured.pooled, eager.pooled) < tolerance
        assert relative_error(captured.tokens, eager.tokens) < tolerance


@needs_gpu
def test_auto_takes_the_gpu(expected: CrossJEPAEncoder, tmp_path: Path) -> None:
    expected.save_pretrained(tmp_path)
    encoder = CrossJEPAEncoder.from_pretrained(tmp_path, device="auto")
    assert encoder.device.type == "cuda"
    assert relative_error(encoder.encode(FILES[:2]), expected.encode(FILES[:2])) < 1e-4
    assert CrossJEPAEncoder(device="auto").device.type == "cuda"


def test_there_and_back_again(expected: CrossJEPAEncoder) -> None:
    encoder = copy.deepcopy(expected).to(DEVICE)
    encoder.encode(FILES[0])
    encoder = encoder.to("cpu")
    assert np.array_equal(encoder.encode(FILES), expected.encode(FILES))


def test_a_model_of_the_device_is_saved_as_one_of_the_cpu(
    expected: CrossJEPAEncoder, moved: CrossJEPAEncoder, tmp_path: Path
) -> None:
    for name, encoder in (("cpu", expected), ("device", moved)):
        encoder.save_pretrained(tmp_path / name)
    for path in (tmp_path / "cpu").iterdir():
        assert (tmp_path / "device" / path.name).read_bytes() == path.read_bytes()
    again = CrossJEPAEncoder.from_pretrained(tmp_path / "device", device=DEVICE, dtype=torch.bfloat16)
    assert (again.device, again.dtype) == (moved.device, torch.bfloat16)


def test_classes_and_parts() -> None:
    clouds = [cloud for cloud in unequal() if len(cloud) > 60]
    for head in (CLASSES, PARTS):
        own = with_head(make_encoder(), head)
        other = copy.deepcopy(own).to(DEVICE)
        if head is CLASSES:
            shares_nK = other.predict_proba(clouds, votes=3)
            assert np.abs(shares_nK - own.predict_proba(clouds, votes=3)).max() < 1e-3
            assert [each.label for each in other.predict(FILES)] == [
                each.label for each in own.predict(FILES)
            ]
            continue
        for cloud in clouds:
            found, wanted = (model.predict_parts(cloud, "a", votes=2) for model in (other, own))
            assert np.abs(found.probabilities_N - wanted.probabilities_N).max() < 1e-3
            assert float((found.parts_N == wanted.parts_N).mean()) > 0.98
