"""One base class for the errors of this library; each keeps the built-in class that fits it."""

from __future__ import annotations

import pickle

import pytest

import crossjepa
from crossjepa import CrossJEPAError, DatasetNotFoundError, NoHeadError, PointCloudError, WeightsError


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


def test_the_reason_cannot_flood_or_steer_a_terminal() -> None:
    error = PointCloudError("a.obj", "\x1b[2J" + "x" * 5000)
    assert str(error).startswith("a.obj: ?[2Jxxx")
    assert len(str(error)) < 600
