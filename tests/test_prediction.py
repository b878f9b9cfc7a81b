"""What a model with a head predicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa import CrossJEPAEncoder, NoHeadError, PointCloudError
from crossjepa.models.heads import PartHead
from tests.helpers.finetune_data import NAMES, surface
from tests.helpers.heads import CLASSES, PARTS, with_head


@pytest.mark.parametrize("hidden", [0, 16])
def test_predictions_are_the_same_after_saving(tiny: CrossJEPAEncoder, tmp_path: Path, hidden: int) -> None:
    model = with_head(tiny, replace(CLASSES, hidden=hidden))
    clouds = [surface(name, 5, 40 + 30 * number) for number, name in enumerate(NAMES)]
    model.save_pretrained(tmp_path)
    loaded = CrossJEPAEncoder.from_pretrained(tmp_path)
    np.testing.assert_array_equal(model.predict_proba(clouds), loaded.predict_proba(clouds))
    assert loaded.classes == NAMES
    np.testing.assert_array_equal(model.encode(clouds), loaded.encode(clouds))


def test_predict_gives_names_and_probabilities(tiny: CrossJEPAEncoder) -> None:
    model = with_head(tiny, CLASSES)
    clouds = [surface(name, 5) for name in NAMES]
    answers, table = model.predict(clouds), model.predict_proba(clouds)
    assert table.shape == (3, 3)
    for answer, row in zip(answers, table, strict=True):
        assert answer.label == NAMES[row.argmax()]
        assert answer.probability == pytest.approx(row.max())
        assert list(answer.probabilities.values()) == sorted(row.tolist(), reverse=True)
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-6)
    single = model.predict(clouds[0])
    assert single.label == answers[0].label
    assert model.predict([]) == []
    alone = np.stack([model.predict_proba(cloud) for cloud in clouds])
    np.testing.assert_allclose(alone, table, atol=1e-6)


def test_votes_average_stretched_copies(tiny: CrossJEPAEncoder) -> None:
    model = with_head(tiny, CLASSES)
    cloud = surface("horse", 5)
    one, many = model.predict_proba(cloud), model.predict_proba(cloud, votes=5)
    assert many.sum() == pytest.approx(1, abs=1e-6)
    assert not np.array_equal(one, many)
    np.testing.assert_array_equal(many, model.predict_proba(cloud, votes=5))
    with pytest.raises(ValueError, match="votes must be at least 1"):
        model.predict(cloud, votes=0)


def test_questions_without_a_fitting_head(tiny: CrossJEPAEncoder) -> None:
    cloud = surface("horse", 5)
    for question in (tiny.predict, tiny.predict_proba, tiny.predict_parts):
        with pytest.raises(NoHeadError, match=r"this encoder has no head .*`crossjepa finetune DATA"):
            question(cloud)
    with pytest.raises(NoHeadError, match=r"fine-tuned for classification: use predict\(\)"):
        with_head(tiny, CLASSES).predict_parts(cloud)
    model = with_head(tiny, PARTS)
    with pytest.raises(NoHeadError, match=r"fine-tuned for partseg: use predict_parts\(\)"):
        model.predict(cloud)
    with pytest.raises(ValueError, match=r"one of \['a', 'b'\], not None"):
        model.predict_parts(cloud)
    with pytest.raises(ValueError, match="not 'horse'"):
        model.predict_parts(cloud, "horse")


def split_in_halves(model: CrossJEPAEncoder, cloud: np.ndarray) -> None:
    """Moves the bias of a head with random weights until half of a cloud is of its first part."""
    prepared = model.processor.prepare(cloud)
    assert isinstance(model.head, PartHead)
    with torch.no_grad():
        features = model.head_features(prepared.points.unsqueeze(0))
        scores_NP = model.forward_head(features, prepared.queries.unsqueeze(0), torch.tensor([0]))[0]
        model.head.out.bias[1] -= torch.quantile(scores_NP[:, 1] - scores_NP[:, 0], 0.5)


def test_parts_follow_the_order_of_the_points(tiny: CrossJEPAEncoder) -> None:
    model = with_head(tiny, PARTS)
    cloud = surface("horse", 5, 150)
    order = np.random.default_rng(0).permutation(150)
    split_in_halves(model, cloud)
    plain, shuffled = model.predict_parts(cloud, "a"), model.predict_parts(cloud[order], "a")
    assert plain.parts_N.shape == (150,)
    assert np.bincount(plain.parts_N).tolist() == [75, 75]
    assert (plain.parts_N[order] != plain.parts_N).any(), "the order matters"
    np.testing.assert_array_equal(plain.parts_N[order], shuffled.parts_N)
    np.testing.assert_allclose(plain.probabilities_N[order], shuffled.probabilities_N, atol=1e-6)
    assert len(np.unique(plain.probabilities_N)) > 100, "a probability for every point"
    assert [f"a/{part}" for part in plain.parts_N] == list(plain.names_N)
    assert (model.predict_parts(cloud, "b").parts_N == 2).all(), "only the parts of the class compete"


def test_parts_of_several_inputs(tiny: CrossJEPAEncoder) -> None:
    model = with_head(tiny, PARTS)
    clouds = [surface("horse", seed, 40 + seed) for seed in (1, 2)]
    bad = np.full((5, 3), np.nan)
    skipped: dict[int, PointCloudError] = {}
    first, none, second = model.predict_parts(
        [clouds[0], bad, clouds[1]], "a", votes=2, on_error=skipped.__setitem__
    )
    for found, cloud in ((first, clouds[0]), (second, clouds[1])):
        alone = model.predict_parts(cloud, "a", votes=2)
        np.testing.assert_array_equal(found.parts_N, alone.parts_N)
        np.testing.assert_array_equal(found.probabilities_N, alone.probabilities_N)
        assert [found.parts_N.dtype.name, found.probabilities_N.dtype.name] == ["int64", "float32"]
    assert (len(none.parts_N), len(none.names_N), list(skipped)) == (0, 0, [1])
    with pytest.warns(UserWarning, match="skipped input 0"):
        assert len(model.predict_parts(bad, "a", on_error="skip").parts_N) == 0
    with pytest.raises(PointCloudError, match="none of its 5 points is finite"):
        model.predict_parts([clouds[0], bad], "a")
