"""Heads and predictions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa import CrossJEPAEncoder, NoHeadError, WeightsError
from crossjepa.config import HeadConfig, ModelConfig
from crossjepa.models.heads import LevelFeatures, PartHead, three_depths
from crossjepa.ops import interpolate_tokens
from tests.helpers.finetune_data import NAMES, surface

CLASSES = HeadConfig("classification", NAMES, hidden=16)
PARTS = HeadConfig("partseg", ("a", "b"), ("a/0", "a/1", "b/0"), ((0, 1), (2,)), hidden=16)


def with_head(encoder: CrossJEPAEncoder, head: HeadConfig) -> CrossJEPAEncoder:
    """A model whose head has random weights and used batch norms."""
    torch.manual_seed(1)
    encoder.reset_classifier(head)
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
            assert module.running_mean is not None
            torch.nn.init.normal_(module.running_mean, 0.0, 0.1)
    for module in encoder.require_head().modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, 0.0, 0.3)
    return encoder.eval()


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


def test_heads_that_do_not_fit_their_weights(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    with_head(tiny, CLASSES).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    values = json.loads(path.read_text())

    def change(**head: object) -> None:
        path.write_text(json.dumps({**values, "head": {**values["head"], **head}}))

    change(classes=[*NAMES, "lamp"])
    with pytest.raises(WeightsError, match=r"head\.layers\.8\.weight \(3, 16\), expected \(4, 16\)"):
        CrossJEPAEncoder.from_pretrained(tmp_path)
    for head, reason in (
        ({"task": "detection"}, "task must be one of"),
        ({"classes": []}, "at least one class"),
        ({"classes": ["a", "a", "b"]}, "classes must differ"),
        ({"size": 3}, r"unknown field\(s\) \['size'\]"),
        ({"task": "partseg"}, "class_parts needs an entry a class"),
        ({"task": "partseg", "class_parts": [[7], [0], [0]], "part_names": ["x"]}, "class_parts must name"),
    ):
        change(**head)
        with pytest.raises(WeightsError, match=reason):
            CrossJEPAEncoder.from_pretrained(tmp_path)
    del values["head"]
    path.write_text(json.dumps(values))
    with pytest.raises(WeightsError, match="tensors unexpected: head"):
        CrossJEPAEncoder.from_pretrained(tmp_path)


def test_a_bare_encoder_says_nothing_of_heads(tiny: CrossJEPAEncoder) -> None:
    assert "head" not in tiny.model_config.to_dict()
    with_head(tiny, CLASSES)
    assert ModelConfig.from_dict(json.loads(json.dumps(tiny.model_config.to_dict()))) == tiny.model_config
    tiny.reset_classifier(None)
    assert "head" not in tiny.model_config.to_dict()
    assert not any(name.startswith("head") for name in tiny.state_dict())


def test_the_part_head_equals_its_slow_form(tiny: CrossJEPAEncoder) -> None:
    """The layer after spreading tokens, as published, gives what the layer before spreading gives."""
    head = with_head(tiny, PARTS).head
    assert isinstance(head, PartHead)
    generator = torch.Generator().manual_seed(0)
    centers_BG3, queries_BQ3 = (
        torch.randn(2, 8, 3, generator=generator),
        torch.randn(2, 50, 3, generator=generator),
    )
    levels_BGD = torch.randn(2, 8, 3 * 24, generator=generator)
    mask_BG = torch.arange(8) < torch.tensor([[8], [5]])
    label_B = torch.tensor([1, 0])
    fast = head(LevelFeatures(levels_BGD, centers_BG3, mask_BG), queries_BQ3, label_B)
    near_BQD = interpolate_tokens(queries_BQ3, centers_BG3, levels_BGD, mask_BG)
    summaries = [
        torch.cat([row[mask].amax(0), row[mask].mean(0)])
        for row, mask in zip(levels_BGD, mask_BG, strict=True)
    ]
    one_hot = torch.eye(2)[label_B]
    cloud_BE = torch.cat([torch.stack(summaries), head.label_in(one_hot)], dim=-1)
    point_BQX = torch.cat([near_BQD, queries_BQ3, cloud_BE[:, None].expand(-1, 50, -1)], dim=-1)
    weight = torch.cat([head.token_in.weight, head.point_in.weight, head.cloud_in.weight], dim=1)
    hidden = head.norm_in(
        torch.nn.functional.linear(point_BQX, weight, head.cloud_in.bias).flatten(0, 1)
    ).relu()
    hidden = head.norm_hidden(head.hidden(hidden)).relu()
    torch.testing.assert_close(fast, head.out(hidden).view(2, 50, 3), rtol=1e-4, atol=1e-5)


def test_depths() -> None:
    assert three_depths(12) == (3, 7, 11), "as published"
    assert three_depths(8) == (2, 4, 7)
    assert three_depths(1) == (0, 0, 0)


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
