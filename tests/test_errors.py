"""One base class for the errors of this library; each keeps the built-in class that fits it."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import crossjepa
from crossjepa import (
    CrossJEPAError,
    DatasetNotFoundError,
    NoHeadError,
    PointCloudError,
    WeightsError,
)
from crossjepa.io import Mesh, PointCloud, read


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PointCloudError("a.obj", "is empty"), ValueError),
        (WeightsError("a/b", "is not there"), OSError),
        (NoHeadError("no head"), ValueError),
        (DatasetNotFoundError("no such folder"), FileNotFoundError),
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


def test_the_reason_cannot_flood_or_steer_a_terminal() -> None:
    error = PointCloudError("a.ply", "a\x1b[31m\n" + "b" * 10_000)
    assert error.reason.startswith("a?[31m?bbb")
    assert len(error.reason) == 500
    assert pickle.loads(pickle.dumps(error)).reason == error.reason


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
