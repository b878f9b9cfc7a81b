"""Numbers as a cache keeps them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa.train.cache import (
    FloatRows,
    from_bfloat16,
    to_bfloat16,
)
from crossjepa.train.cache.arrays import file_sha256, row_checksum


@pytest.mark.parametrize("kind", [np.uint16, np.float16])
def test_rows_read_as_float32_however_they_are_kept(kind: type) -> None:
    rows = FloatRows(np.zeros((4, 2, 3), kind))
    rows[1] = np.full((2, 3), 1.5)
    assert (rows.shape, rows.ndim, len(rows)) == ((4, 2, 3), 3, 4)
    assert rows[1].dtype == np.float32
    np.testing.assert_array_equal(rows[np.array([1, 0]), np.array([[1], [0]])][0], [[1.5] * 3, [0] * 3])
    np.testing.assert_array_equal(np.asarray(rows, np.float64)[1], 1.5)
    assert np.isfinite(rows).all()


def test_bfloat16_rounds_as_torch_does() -> None:
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 3.4e38, 1e-40, 1.00390625, 1.01171875]
    values = np.concatenate([np.random.default_rng(0).normal(size=1000) * 100, special]).astype(np.float32)
    expected = torch.from_numpy(values).bfloat16()
    np.testing.assert_array_equal(from_bfloat16(to_bfloat16(values)), expected.float().numpy())
    bits = expected.view(torch.int16).numpy().view(np.uint16)
    same = to_bfloat16(values) == bits
    assert same[~np.isnan(values)].all()


def test_bfloat16_bits_are_those_that_caches_have_always_had() -> None:
    """To the nearest, ties to even; subnormals stay; one code for NaN whatever the processor."""
    tie_down, tie_up, above = 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20
    values = np.array([1, tie_down, tie_up, above, -0.0, 1e-40, 3.4e38, np.inf, np.nan, -np.nan], np.float32)
    expected = [0x3F80, 0x3F80, 0x3F82, 0x3F81, 0x8000, 0x0001, 0x7F80, 0x7F80, 0x7FC0, 0x7FC0]
    for count in (1, 50):  # torch treats long arrays in another way than their ends
        assert to_bfloat16(np.tile(values, count)).tolist() == expected * count


def test_every_bfloat16_value_comes_back_with_its_bits() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    bits.flags.writeable = False
    values = from_bfloat16(bits)
    np.testing.assert_array_equal(values.view(np.uint32), bits.astype(np.uint32) << 16)
    np.testing.assert_array_equal(to_bfloat16(values)[~np.isnan(values)], bits[~np.isnan(values)])


def test_checksums_see_every_byte_and_are_never_zero(tmp_path: Path) -> None:
    row, other = np.arange(6, dtype=np.float32), np.zeros(3, np.uint16)
    assert row_checksum(row, other) == row_checksum(row[::-1].copy()[::-1], other)
    changed = row.copy()
    changed.view(np.uint32)[5] ^= 1
    assert row_checksum(changed, other) != row_checksum(row, other)
    assert row_checksum() == 1
    (tmp_path / "file").write_bytes(b"content")
    assert file_sha256(tmp_path / "file") == hashlib.sha256(b"content").hexdigest()
