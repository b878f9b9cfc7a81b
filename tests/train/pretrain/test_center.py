"""Mean and deviation of features, stored with weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import open_dataset
from crossjepa.train.cache import make_cache, open_cache
from crossjepa.train.pretrain.center import encode_objects, save_center, statistics
from tests.conftest import SAMPLES
from tests.helpers.teachers import small_cache_config
from tests.helpers.tiny_weights import fingerprint, make_encoder


def test_statistics_are_those_of_the_features(tmp_path: Path) -> None:
    encoder = make_encoder()
    encoder.save_pretrained(tmp_path)
    features_nE = encode_objects(encoder, open_dataset([SAMPLES]))
    np.testing.assert_array_equal(features_nE, encoder.encode(sorted(SAMPLES.glob("*.obj"))))
    save_center(tmp_path, statistics(features_nE))
    saved = CrossJEPAEncoder.from_pretrained(tmp_path)
    assert fingerprint(saved) == fingerprint(encoder)
    assert saved.similarity_config is not None
    assert saved.similarity_config.objects == len(features_nE)
    np.testing.assert_allclose(saved.similarity_config.mean, features_nE.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(saved.similarity_config.std, features_nE.std(axis=0), rtol=1e-4)


def test_some_objects_are_taken_evenly() -> None:
    encoder = make_encoder()
    some_nE = encode_objects(encoder, open_dataset([SAMPLES]), 2)
    files = sorted(SAMPLES.glob("*.obj"))
    np.testing.assert_array_equal(some_nE, encoder.encode([files[0], files[-1]]))


def test_a_cache_gives_the_points_of_its_objects(tmp_path: Path) -> None:
    files = [SAMPLES / "chair.obj", SAMPLES / "horse.obj"]
    make_cache(open_dataset(files), tmp_path / "cache", small_cache_config(tmp_path), workers=1, device="cpu")
    cache, encoder = open_cache(tmp_path / "cache"), make_encoder()
    points_nP3 = cache.points_of(np.arange(2))[:, :64]
    np.testing.assert_array_equal(encode_objects(encoder, cache), encoder.encode(points_nP3))


def test_constant_numbers_and_too_few_objects() -> None:
    found = statistics(np.array([[1, 2], [1, 4]], np.float32))
    assert (found.mean, found.std) == ((1.0, 3.0), (1.0, 1.0))
    with pytest.raises(ValueError, match="at least two objects, not 1"):
        statistics(np.ones((1, 2), np.float32))
