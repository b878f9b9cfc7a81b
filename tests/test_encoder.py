"""What a user does with the bundled encoder."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import crossjepa
from crossjepa import CrossJEPAEncoder, ModelConfig
from crossjepa.config import NAMED_SIZES
from crossjepa.io import Mesh, read
from crossjepa.processor import Source
from tests.conftest import SAMPLES

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", crossjepa.list_models())
def test_golden_features(name: str, tmp_path: Path) -> None:
    with np.load(GOLDEN / f"{name}.npz") as archive:
        golden = dict(archive)
    bundled = CrossJEPAEncoder.from_pretrained(name)
    bundled.save_pretrained(tmp_path / "again")
    for encoder in (bundled, CrossJEPAEncoder.from_pretrained(tmp_path / "again")):
        for _ in range(2):
            np.testing.assert_allclose(
                encoder.encode(golden["points"]), golden["features"], rtol=0, atol=1e-3
            )
        output = encoder(torch.from_numpy(golden["normalized"]))
        np.testing.assert_allclose(output.tokens.detach().numpy(), golden["tokens"], rtol=2e-3, atol=2e-3)


def test_trained_weights_differ_from_random_ones(base: CrossJEPAEncoder) -> None:
    torch.manual_seed(0)
    random = CrossJEPAEncoder()
    for name, value in base.state_dict().items():
        if name.endswith("weight"):
            assert not torch.equal(value, random.state_dict()[name]), name


def test_samples_that_look_alike_are_close(base: CrossJEPAEncoder) -> None:
    names = ["chair", "table", "horse", "grand_piano", "desk_lamp", "fork_lift"]
    features = base.encode([SAMPLES / f"{name}.obj" for name in names], normalize=True)
    assert features.shape == (6, 576)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    mesh = read(SAMPLES / "horse.obj")
    assert isinstance(mesh, Mesh)
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    turned = base.encode(Mesh(mesh.vertices_V3 @ turn.T, mesh.faces_F3), normalize=True)
    assert int((features @ turned).argmax()) == names.index("horse")


def test_lists_of_different_things(tiny: CrossJEPAEncoder) -> None:
    generator = np.random.default_rng(0)
    sizes = (1, 3, 40, 64, 65, 500)
    clouds: list[Source] = [generator.normal(size=(size, 3)) for size in sizes]
    sources: list[Source] = [*clouds, torch.randn(30, 3), str(SAMPLES / "chair.obj"), SAMPLES / "table.obj"]
    together = tiny.encode(sources, batch_size=4)
    assert together.dtype == np.float32
    assert together.shape == (9, 48)
    single = np.stack([tiny.encode(source) for source in sources])
    np.testing.assert_allclose(together, single, atol=1e-5)


def test_shapes_of_results(tiny: CrossJEPAEncoder) -> None:
    batch_BN3 = np.random.default_rng(0).normal(size=(3, 50, 3))
    assert tiny.encode(batch_BN3).shape == (3, 48)
    assert tiny.encode(batch_BN3[0]).shape == (48,)
    assert tiny.encode(batch_BN3, pool="max").shape == (3, 24)
    assert tiny.encode([]).shape == (0, 48)
    with pytest.raises(ValueError, match="batch_size"):
        tiny.encode(batch_BN3, batch_size=0)


def test_encode_keeps_the_mode(tiny: CrossJEPAEncoder) -> None:
    cloud = np.random.default_rng(0).normal(size=(50, 3))
    expected = tiny.encode(cloud)
    np.testing.assert_array_equal(tiny.train().encode(cloud), expected)
    assert tiny.training


def test_preprocess_is_what_the_network_sees(tiny: CrossJEPAEncoder) -> None:
    cloud = np.random.default_rng(0).normal(size=(50, 3))
    with torch.inference_mode():
        pooled = tiny(tiny.preprocess(cloud).unsqueeze(0)).pooled[0]
    np.testing.assert_allclose(tiny.encode(cloud), pooled.numpy(), atol=1e-6)


@pytest.mark.parametrize("points", [1, 3, 64, 5000])
def test_points_keep_their_order(tiny: CrossJEPAEncoder, points: int) -> None:
    cloud = np.random.default_rng(0).normal(size=(points, 3))
    features = tiny.encode_points(cloud)
    assert features.shape == (points, 24)
    assert np.isfinite(features).all()
    order = np.random.default_rng(1).permutation(points)
    np.testing.assert_allclose(tiny.encode_points(cloud[order]), features[order], atol=1e-5)


def test_vertices_of_a_mesh_get_features(base: CrossJEPAEncoder) -> None:
    mesh = read(SAMPLES / "desk_lamp.obj")
    assert isinstance(mesh, Mesh)
    assert base.encode_points(mesh).shape == (len(mesh.vertices_V3), 288)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float16, 0.01)])
def test_low_precision_is_close(base: CrossJEPAEncoder, dtype: torch.dtype, tolerance: float) -> None:
    files = [SAMPLES / "chair.obj", SAMPLES / "horse.obj"]
    low = CrossJEPAEncoder.from_pretrained("crossjepa-base", dtype=dtype).encode(files)
    expected = base.encode(files)
    assert low.dtype == np.float32
    assert np.linalg.norm(low - expected) / np.linalg.norm(expected) < tolerance


def test_the_device_is_that_of_the_weights() -> None:
    meta = CrossJEPAEncoder(ModelConfig(encoder=NAMED_SIZES["crossjepa-test"]), device="meta")
    assert meta.device.type == "meta"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_another_device_gets_its_inputs(tiny: CrossJEPAEncoder) -> None:
    cloud = np.random.default_rng(0).normal(size=(50, 3))
    features = copy.deepcopy(tiny).cuda().encode(cloud)
    np.testing.assert_allclose(features, tiny.encode(cloud), atol=1e-4)


def test_real_clouds_of_one_class_are_closer(base: CrossJEPAEncoder, shared: Path) -> None:
    with np.load(shared / "data" / "modelnet40_clouds_1024.npz") as archive:
        train = archive["split"] == "train"
        points, labels = archive["points"][train], archive["labels"][train]
    chosen = np.concatenate([np.flatnonzero(labels == label)[:12] for label in (0, 2, 8, 17, 22, 30)])
    clouds: NDArray[np.float32] = points[chosen].astype(np.float32)
    features = base.encode(clouds, up_axis="z", normalize=True)
    centered = features - features.mean(axis=0)
    similarity = centered @ centered.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = labels[chosen][similarity.argmax(axis=1)]
    assert (nearest == labels[chosen]).mean() > 0.8


def test_import_is_light() -> None:
    heavy = ["timm", "trimesh", "sklearn", "scipy", "matplotlib", "h5py", "torchvision", "onnx", "pandas"]
    code = f"import sys, crossjepa; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_inference_never_imports_training() -> None:
    code = (
        "import sys, crossjepa, crossjepa.cli.encode, crossjepa.cli.main, numpy;"
        "crossjepa.CrossJEPAEncoder.from_pretrained('crossjepa-base').encode(numpy.eye(3));"
        "print([name for name in sys.modules if name.startswith('crossjepa.train')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
