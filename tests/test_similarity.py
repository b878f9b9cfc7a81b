"""Cosines of standardized features, and 8-bit integers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crossjepa import CrossJEPAEncoder, SimilarityConfig
from crossjepa.config import Pooling
from crossjepa.similarity import quantize_embeddings
from tests.conftest import SAMPLES
from tests.helpers.tiny_weights import make_encoder


@pytest.fixture
def encoder() -> CrossJEPAEncoder:
    """A tiny encoder (features of 48 numbers) with statistics of made-up features."""
    rng = np.random.default_rng(9)
    encoder = make_encoder()
    mean, std = rng.normal(5, 1, 48), rng.uniform(0.5, 2, 48)
    encoder.similarity_config = SimilarityConfig(tuple(mean.tolist()), tuple(std.tolist()), 100)
    return encoder


def features(count: int, seed: int = 0, width: int = 48) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(5, 1, (count, width)).astype(np.float32)


def by_hand(
    encoder: CrossJEPAEncoder, a_nE: NDArray[np.float32], b_mE: NDArray[np.float32], part: slice
) -> NDArray[np.float64]:
    assert encoder.similarity_config is not None
    mean, std = (
        np.array(each)[part] for each in (encoder.similarity_config.mean, encoder.similarity_config.std)
    )
    unit = [
        each / np.linalg.norm(each, axis=1, keepdims=True)
        for each in ((a_nE - mean) / std, (b_mE - mean) / std)
    ]
    return np.asarray(unit[0] @ unit[1].T)


def test_similarity_is_the_cosine_of_standardized_features(encoder: CrossJEPAEncoder) -> None:
    a_nE, b_mE = features(3), features(5, 1)
    found_nm = encoder.similarity(a_nE, b_mE)
    assert isinstance(found_nm, np.ndarray)
    np.testing.assert_allclose(found_nm, by_hand(encoder, a_nE, b_mE, slice(None)), atol=1e-5)
    assert not np.allclose(found_nm, without_statistics(encoder).similarity(a_nE, b_mE), atol=0.1)


def without_statistics(encoder: CrossJEPAEncoder) -> CrossJEPAEncoder:
    """Returns an encoder like this one whose weights bring no statistics."""
    return CrossJEPAEncoder(dataclasses.replace(encoder.model_config, similarity=None))


@pytest.mark.parametrize(("pool", "part"), [("max", slice(24)), ("mean", slice(24, None))])
def test_each_pooling_has_its_statistics(encoder: CrossJEPAEncoder, pool: Pooling, part: slice) -> None:
    a_nE, b_mE = features(2, width=24), features(4, 1, width=24)
    found_nm = encoder.similarity(a_nE, b_mE, pool=pool)
    np.testing.assert_allclose(found_nm, by_hand(encoder, a_nE, b_mE, part), atol=1e-5)


def test_tensors_give_tensors(encoder: CrossJEPAEncoder) -> None:
    a_nE, b_mE = torch.from_numpy(features(3)), torch.from_numpy(features(2, 1))
    found_nm = encoder.similarity(a_nE, b_mE)
    assert isinstance(found_nm, torch.Tensor)
    np.testing.assert_allclose(found_nm.numpy(), encoder.similarity(a_nE.numpy(), b_mE.numpy()), atol=1e-6)


def test_pairwise_is_the_diagonal(encoder: CrossJEPAEncoder) -> None:
    a_nE, b_nE = features(4), features(4, 1)
    pairs_n = encoder.similarity_pairwise(a_nE, b_nE)
    np.testing.assert_allclose(pairs_n, np.diag(encoder.similarity(a_nE, b_nE)), atol=1e-6)
    with pytest.raises(ValueError, match="as many features on both sides, not 4 and 3"):
        encoder.similarity_pairwise(a_nE, b_nE[:3])


def test_one_feature_counts_as_a_row(encoder: CrossJEPAEncoder) -> None:
    assert encoder.similarity(features(1)[0], features(3)).shape == (1, 3)


def test_rows_of_nan_stay_so_and_harm_no_others(encoder: CrossJEPAEncoder) -> None:
    rows_nE = features(3)
    rows_nE[1] = np.nan
    found_nn = encoder.similarity(rows_nE, rows_nE)
    assert np.isnan(found_nn[1]).all()
    np.testing.assert_allclose(found_nn[[0, 2], [0, 2]], 1, atol=1e-5)


def test_features_that_cannot_be_standardized_are_refused(encoder: CrossJEPAEncoder) -> None:
    unit_nE = features(3) / np.linalg.norm(features(3), axis=1, keepdims=True)
    with pytest.raises(ValueError, match="encode without normalize=True"):
        encoder.similarity(unit_nE, unit_nE)
    with pytest.raises(ValueError, match=r"shape \(3, 24\): expected \(n, 48\).*pool='max\+mean'"):
        encoder.similarity(features(3, width=24), features(3, width=24))
    without_statistics(encoder).similarity(unit_nE, unit_nE)


def test_statistics_travel_with_the_weights(encoder: CrossJEPAEncoder, tmp_path: Path) -> None:
    encoder.save_pretrained(tmp_path)
    assert CrossJEPAEncoder.from_pretrained(tmp_path).similarity_config == encoder.similarity_config


def test_bundled_weights_tell_objects_apart(base: CrossJEPAEncoder) -> None:
    """Raw cosines of different objects are all far above 0; these are around it."""
    files = sorted(SAMPLES.glob("*.obj"))
    rows_nE = base.encode(files)
    others = ~np.eye(len(files), dtype=bool)
    unit_nE = rows_nE / np.linalg.norm(rows_nE, axis=1, keepdims=True)
    assert np.median((unit_nE @ unit_nE.T)[others]) > 0.3
    assert abs(np.median(base.similarity(rows_nE, rows_nE)[others])) < 0.2


def test_integers_are_within_half_a_step() -> None:
    rows_nE = features(6) * np.array([1e-6, 1, 1, 100, 1, 1])[:, None].astype(np.float32)
    found = quantize_embeddings(rows_nE)
    assert found.codes.dtype == np.int8
    assert (np.abs(found.codes).max(axis=1) == 127).all()
    assert (np.abs(found.dequantize() - rows_nE) <= 0.501 * found.scales[:, None]).all()
    np.testing.assert_array_equal(quantize_embeddings(rows_nE[2:3]).codes[0], found.codes[2])


def test_integers_of_zeros_and_of_nothing() -> None:
    rows_nE = np.stack([np.zeros(4), np.full(4, np.nan)]).astype(np.float32)
    found = quantize_embeddings(rows_nE)
    assert (found.codes == 0).all()
    assert (found.dequantize()[0] == 0).all()
    assert np.isnan(found.dequantize()[1]).all()
