"""Features: cache, baselines, disturbances."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import Dataset
from crossjepa.datasets.splits import limit
from crossjepa.evaluate import EncoderFeatures, FeatureCache, evaluate, extract_features
from crossjepa.evaluate.features import Transform, default_cache
from crossjepa.model_files import weights_digest
from tests.evaluate.conftest import Spreads


def test_second_protocol_costs_nothing(boxes: Dataset, spreads: Spreads, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    first = evaluate("linear", boxes, spreads, cache=cache)
    count = len(spreads.seen)
    assert count == len(boxes)
    for protocol in ("knn", "retrieval", "linear", "fewshot"):
        evaluate(protocol, boxes, spreads, cache=cache)
    assert len(spreads.seen) == count
    assert evaluate("linear", boxes, Spreads(), cache=cache).metrics == first.metrics
    assert not list((tmp_path / "cache").glob("*.partial"))


def test_cache_knows_weights_data_and_preprocessing(
    boxes: Dataset, tiny: CrossJEPAEncoder, tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path / "cache")
    small = limit(boxes, 1)
    everything = EncoderFeatures(tiny, "tiny")

    def count() -> int:
        return len(list((tmp_path / "cache").glob("*.npz")))

    original = extract_features(everything, small, cache=cache)
    np.testing.assert_array_equal(extract_features(everything, small, cache=cache), original)
    assert count() == 1
    maxima = extract_features(everything.pooled("max"), small, cache=cache)
    means = extract_features(everything.pooled("mean"), small, cache=cache)
    np.testing.assert_array_equal(np.concatenate([maxima, means], axis=1), original)
    np.testing.assert_allclose(maxima, tiny.encode([each.points_N3 for each in small], pool="max"), atol=1e-5)
    assert count() == 1
    extract_features(everything, replace(small, up_axis="z"), cache=cache)
    extract_features(everything, small.select([1, 0]), cache=cache)
    extract_features(everything, small, cache=cache, transform=Transform("x", lambda points, _: points))
    with torch.no_grad():
        tiny.network.norm.bias.add_(1)
    changed = extract_features(everything, small, cache=cache)
    assert count() == 5
    assert np.abs(changed - original).min() > 0


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
def test_damaged_cache_is_made_anew(boxes: Dataset, spreads: Spreads, tmp_path: Path, content: bytes) -> None:
    cache = FeatureCache(tmp_path)
    expected = extract_features(spreads, boxes, cache=cache)
    (file,) = [path for path in tmp_path.glob("*.npz") if path.stem != "boxes"]
    file.write_bytes(content)
    np.testing.assert_array_equal(extract_features(spreads, boxes, cache=cache), expected)
    np.testing.assert_array_equal(cache.load(file.stem, len(boxes)), expected)
    assert cache.load(file.stem, 3) is None


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROSSJEPA_CACHE", str(tmp_path))
    assert default_cache() == tmp_path / "features"
    monkeypatch.delenv("CROSSJEPA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "crossjepa" / "features"


def test_features_are_those_of_encode(boxes: Dataset, tiny: CrossJEPAEncoder) -> None:
    small = limit(boxes, 1)
    expected = tiny.encode([sample.points_N3 for sample in small], up_axis="z")
    found = extract_features(EncoderFeatures(tiny, "tiny"), replace(small, up_axis="z"), batch_size=5)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_digest_of_weights(tiny: CrossJEPAEncoder) -> None:
    before = weights_digest(tiny)
    assert weights_digest(tiny) == before
    assert weights_digest(tiny.to(torch.bfloat16)) != before
