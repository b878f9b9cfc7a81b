"""One base class for the errors of this library; each keeps the built-in class that fits it."""

from __future__ import annotations

import importlib
import multiprocessing
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import crossjepa
from crossjepa import (
    CrossJEPAError,
    DatasetNotFoundError,
    FolderInUseError,
    NoHeadError,
    PointCloudError,
    PointCloudProcessor,
    PointCloudWarning,
    WeightsError,
)
from crossjepa.errors import _SourceError, errors_about
from crossjepa.io import Mesh, PointCloud, read


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PointCloudError("a.obj", "is empty"), ValueError),
        (WeightsError("a/b", "is not there"), OSError),
        (NoHeadError("no head"), ValueError),
        (DatasetNotFoundError("no such folder"), FileNotFoundError),
        (FolderInUseError("run", "is in use"), OSError),
    ],
)
def test_errors_have_two_bases_and_cross_processes(error: CrossJEPAError, kind: type[Exception]) -> None:
    assert isinstance(error, CrossJEPAError)
    assert isinstance(error, kind)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))
    assert type(error).__name__ in crossjepa.__all__


def test_an_error_names_its_source_and_the_reason() -> None:
    error = PointCloudError(Path("a") / "b.ply", "is empty")
    assert (error.source, error.reason) == (str(Path("a") / "b.ply"), "is empty")
    assert str(error) == f"{error.source}: is empty"


@pytest.mark.parametrize("kind", [PointCloudError, WeightsError, FolderInUseError])
def test_what_files_say_cannot_flood_or_steer_a_terminal(
    kind: type[PointCloudError | WeightsError | FolderInUseError],
) -> None:
    error = kind("a\x1b[2J.ply", "a\x1b[31m\n" + "b" * 10_000)
    assert error.reason.startswith("a?[31m?bbb")
    assert len(error.reason) == 500
    assert str(error) == f"a?[2J.ply: {error.reason}"
    assert error.source == "a\x1b[2J.ply"
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.source, copy.reason, str(copy)) == (error.source, error.reason, str(error))
    assert len(str(kind("a" * 10_000, "b"))) < 1100


def test_weights_error_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(WeightsError("a/b", "is not there")))
    assert (str(error), error.source, error.reason) == ("a/b: is not there", "a/b", "is not there")


@pytest.mark.slow
def test_shapes_and_errors_come_back_from_other_processes(tmp_path: Path) -> None:
    (tmp_path / "empty.obj").touch()
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "a.xyz").write_text("0 0 0\n1 2 3\n")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        mesh, cloud = pool.map(read, [tmp_path / "a.obj", tmp_path / "a.xyz"])
        error = pool.submit(read, tmp_path / "empty.obj").exception()
    assert isinstance(mesh, Mesh)
    assert mesh.faces_F3.tolist() == [[0, 1, 2]]
    assert isinstance(cloud, PointCloud)
    assert cloud.points_N3.tolist() == [[0, 0, 0], [1, 2, 3]]
    assert isinstance(error, PointCloudError)
    assert (error.source, error.reason) == (str(tmp_path / "empty.obj"), "is empty")


def test_every_error_of_the_package_crosses_processes() -> None:
    """An error in a worker must not become one about pickles."""
    for _, name, _ in pkgutil.walk_packages(crossjepa.__path__, "crossjepa."):
        if not name.endswith("__main__"):
            importlib.import_module(name)
    found: set[type[BaseException]] = {Exception}
    for _ in range(6):
        found |= {kind for base in found for kind in base.__subclasses__()}
    own = sorted(
        (kind for kind in found if kind.__module__.startswith("crossjepa.")), key=lambda k: k.__name__
    )
    assert len(own) >= 8
    for kind in own:
        error = (
            kind("a.ply", "is empty")
            if issubclass(kind, (_SourceError, PointCloudWarning))
            else kind("is empty")
        )
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy)) == (kind, str(error))


class Clouds(torch.utils.data.Dataset[torch.Tensor]):
    """Prepares clouds, of which the second cannot be used."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> torch.Tensor:
        return PointCloudProcessor()(np.full((5, 3), (0.0, np.nan)[index]))


def test_an_error_in_a_worker_of_a_loader_stays_what_it_is() -> None:
    loader = torch.utils.data.DataLoader(Clouds(), batch_size=None, num_workers=1)
    with pytest.raises(PointCloudError, match=r"^array: none of its 5 points is finite$") as caught:
        list(loader)
    assert (caught.value.source, caught.value.reason[:24]) == ("array", "none of its 5 points is ")


def test_names_in_bytes_and_of_no_encoding() -> None:
    assert str(PointCloudError(b"caf\xe9.ply", "is empty")) == "caf?.ply: is empty"  # type: ignore[arg-type]


def test_whatever_fails_is_about_the_source() -> None:
    with pytest.raises(PointCloudError, match=r"^a\.ply: is empty$"), errors_about("b.ply"):
        raise PointCloudError("a.ply", "is empty")
    with (
        pytest.raises(PointCloudError, match=r"^b\.ply: cannot be used \(KeyError: 3\)$"),
        errors_about("b.ply"),
    ):
        raise KeyError(3)
    with (
        pytest.raises(PointCloudError, match=r"^b\.ply: cannot be used \(ValueError\)$"),
        errors_about("b.ply"),
    ):
        raise ValueError
    with pytest.raises(PointCloudError, match=r"^b\.ply: needs more memory"), errors_about("b.ply"):
        raise MemoryError
    with pytest.raises(KeyboardInterrupt), errors_about("b.ply"):
        raise KeyboardInterrupt
