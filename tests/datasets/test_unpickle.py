"""Pickles of arrays are read, and nothing in them is run."""

from __future__ import annotations

import contextlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets.unpickle import as_array, read_pickle

pytest.importorskip("h5py")


class Pointers:
    """Numbers whose type says, by the flags of its state, that they are pointers to objects."""

    def __reduce__(self) -> tuple[Any, ...]:
        reconstruct = np.empty(0).__reduce__()[0]
        return reconstruct, (np.ndarray, (0,), b"b"), (1, (2,), Flagged(), False, b"A" * 16)


class Flagged:
    def __reduce__(self) -> tuple[Any, ...]:
        return np.dtype, ("i8", False, True), (3, "<", None, None, None, -1, -1, 63)


def test_pickles_cannot_turn_numbers_into_pointers(tmp_path: Path) -> None:
    file = tmp_path / "hostile.pkl"
    file.write_bytes(pickle.dumps(Pointers()))
    array = as_array(read_pickle(file))
    assert not array.dtype.hasobject
    assert array.tolist() == [int.from_bytes(b"A" * 8, "little")] * 2


def test_pickles_change_nothing_that_they_name(tmp_path: Path) -> None:
    file = tmp_path / "hostile.pkl"
    # GLOBAL numpy.dtype, BUILD with (None, {"hurt": True}), which sets attributes.
    file.write_bytes(b"cnumpy\ndtype\n(N(dS'hurt'\nI1\nsltb.")
    with contextlib.suppress(PointCloudError):
        read_pickle(file)
    assert not hasattr(np.dtype, "hurt")
    file.write_bytes(pickle.dumps([np.arange(3.0), np.float32(2), np.array([[True]])], protocol=2))
    again = read_pickle(file)
    assert [as_array(value).tolist() for value in again] == [[0, 1, 2], 2, [[True]]]


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_arrays_of_any_kind_come_back(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "arrays.pkl"
    values: list[Any] = [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(4, dtype=">i2"),
        np.float16(0.5),
        np.array([[7]], np.uint8),
        3,
    ]
    file.write_bytes(pickle.dumps(values, protocol=protocol))
    for found, expected in zip(read_pickle(file), values, strict=True):
        array = as_array(found)
        np.testing.assert_array_equal(array, expected)
        assert array.shape == np.shape(expected)
        assert array.dtype == np.asarray(expected).dtype
