"""Preparing one input so that its answer can travel between processes."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from crossjepa import PointCloudError, PointCloudProcessor, PointCloudWarning
from crossjepa.io import read
from crossjepa.preparation import Answer, Preparation, stays_here
from tests.conftest import SAMPLES


def test_answers_and_the_function_itself_can_be_pickled() -> None:
    function = pickle.loads(pickle.dumps(Preparation(PointCloudProcessor().with_outlier_removal(), "z")))
    cloud_N3 = np.random.default_rng(0).random((300, 3))
    cloud_N3[5] = np.nan
    with pytest.warns(PointCloudWarning, match="mine: 1 of 300 points"):
        answer = function((cloud_N3, "mine"))
    copy = pickle.loads(pickle.dumps(answer)).unwrap("mine")
    expected = answer.unwrap("mine")
    assert isinstance(copy.points, torch.Tensor)
    for name in ("points", "original", "valid_M", "outliers", "queries"):
        np.testing.assert_array_equal(getattr(copy, name), getattr(expected, name))
    assert copy.frame.radius == expected.frame.radius


def test_points_only_leaves_out_the_original(tmp_path: Path) -> None:
    chair = str(SAMPLES / "chair.obj")
    processor = PointCloudProcessor()
    every, points = (Preparation(processor, None, only)((chair, chair)) for only in (False, True))
    assert every.prepared is not None and points.prepared is not None
    np.testing.assert_array_equal(every.prepared.points, points.prepared.points)
    assert (len(every.prepared.original), len(points.prepared.original)) == (964, 0)
    kept = Preparation(processor, points_only=True)((every.prepared, ""))
    assert kept.prepared is every.prepared


def test_an_error_travels_and_is_raised_when_it_is_unwrapped() -> None:
    answer = Preparation(PointCloudProcessor())(("no-such.ply", "no-such.ply"))
    again = cast(Answer, pickle.loads(pickle.dumps(answer)))
    with pytest.raises(PointCloudError, match=r"^no-such\.ply: no such file$"):
        again.unwrap("no-such.ply")


def test_what_a_worker_warned_of_is_warned_of_again() -> None:
    prepared = PointCloudProcessor().prepare(np.eye(3))
    answer = Answer(prepared, warned=[PointCloudWarning("a.npy", "one row is odd")])
    with pytest.warns(PointCloudWarning, match=r"^a\.npy: one row is odd$"):
        assert answer.unwrap("a.npy") is prepared
    with warnings.catch_warnings(), pytest.raises(PointCloudError, match=r"^a\.npy: "):
        warnings.simplefilter("error")
        answer.unwrap("a.npy")


def test_only_files_and_arrays_of_numbers_travel() -> None:
    assert not stays_here(("chair.obj", ""))
    assert not stays_here((np.eye(3), ""))
    for source in (torch.eye(3), read(SAMPLES / "chair.obj"), np.array([[object()] * 3])):
        assert stays_here((source, ""))
