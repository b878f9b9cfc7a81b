"""What the tests share: where real data lies, and small real shapes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

# One thread for each process, before torch is imported: pytest runs several of them, and tests start more.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crossjepa import CrossJEPAEncoder, ModelConfig, ProcessorConfig
from crossjepa.config import NAMED_SIZES
from tests.helpers.hub_client import Client
from tests.helpers.hub_server import HubServer
from tests.helpers.onnx_files import onnx_file
from tests.helpers.tiny_weights import make_encoder, saved_files

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLES = REPOSITORY / "examples" / "files"
# Programs that tests start import what the tests import: the checkout or, outside of it, what is installed.
if (REPOSITORY / "crossjepa").is_dir():
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), *([inherited] if inherited else [])])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In several processes, slow tests come first: one that begins last keeps one process busy alone."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def shared_folder() -> Path | None:
    """Returns the folder of real data, which is not part of the repository, or None if it is absent."""
    folder = Path(os.environ.get("CROSSJEPA_SHARED", REPOSITORY.parent / "shared"))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder of `make_encoder` as an ONNX file of tokens; tests are skipped if none can be made."""
    return onnx_file(make_encoder(), tmp_path_factory.mktemp("onnx"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; tests that ask for it are skipped if it is absent."""
    folder = shared_folder()
    if folder is None:
        pytest.skip("the folder of real data (CROSSJEPA_SHARED) is absent")
    return folder


@pytest.fixture(scope="session")
def modelnet_points(shared: Path) -> NDArray[np.float32]:
    """(64, 1024, 3) real clouds of many classes, Z up."""
    with np.load(shared / "data" / "modelnet40_clouds_1024.npz") as archive:
        points = archive["points"]
    return np.ascontiguousarray(points[:: len(points) // 64][:64].astype(np.float32))


@pytest.fixture(scope="session")
def base() -> CrossJEPAEncoder:
    """The bundled encoder."""
    return CrossJEPAEncoder.from_pretrained("crossjepa-base")


@pytest.fixture
def tiny() -> CrossJEPAEncoder:
    """A small encoder with random weights and batch norms that have seen data."""
    torch.manual_seed(0)
    config = ModelConfig(encoder=NAMED_SIZES["crossjepa-test"], processor=ProcessorConfig(num_points=64))
    encoder = CrossJEPAEncoder(config)
    encoder.train()
    with torch.no_grad():
        encoder(torch.randn(8, 64, 3))
    return encoder.eval()


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A Hub on this machine."""
    with HubServer() as server:
        yield server


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Client:
    """The real client of that Hub, with an empty cache."""
    return Client(hub, tmp_path / "home")


@pytest.fixture
def content(tmp_path: Path) -> dict[str, bytes | None]:
    """The files of `make_encoder()`."""
    return saved_files(make_encoder(), tmp_path / "published")


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains as where matplotlib is not installed: to draw curves takes longer than to train small models."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
