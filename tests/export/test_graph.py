"""What is traced, what is refused, and the facts that files carry."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

import crossjepa
from crossjepa import ModelConfig, NoHeadError
from crossjepa.export.graph import describe, trace
from crossjepa.model_files import weights_digest
from tests.helpers.heads import CLASSES, PARTS, with_head
from tests.helpers.tiny_weights import fingerprint, make_encoder


def test_facts_say_what_a_user_of_the_file_must_know() -> None:
    encoder = with_head(make_encoder(), PARTS)
    facts = describe(encoder)
    assert (facts["library"], facts["version"]) == ("crossjepa", crossjepa.__version__)
    assert facts["weights_sha256"] == weights_digest(encoder)
    assert ModelConfig.from_dict(json.loads(facts["config"])) == encoder.model_config
    assert json.loads(facts["processor"])["num_points"] == 64
    assert json.loads(facts["classes"]) == list(PARTS.classes)
    assert json.loads(facts["part_names"]) == list(PARTS.part_names)
    assert json.loads(facts["class_parts"]) == [[0, 1], [2]]
    bare = describe(make_encoder())
    assert bare["classes"] == bare["part_names"] == bare["class_parts"] == "[]"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "everything"}, "output must be one of tokens, points, scores, not 'everything'"),
        (
            {"output": "points", "pool": "max"},
            "pool is of the feature of a cloud, which output 'points' does",
        ),
    ],
)
def test_what_cannot_be_traced_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trace(make_encoder(), **options)


def test_scores_need_a_head_and_weights_float32() -> None:
    with pytest.raises(NoHeadError, match="this encoder has no head"):
        trace(make_encoder(), "scores")
    with pytest.raises(ValueError, match=r"only float32 on the CPU is exported, not torch\.bfloat16 on cpu"):
        trace(make_encoder().bfloat16())


def test_a_compiled_model_is_refused_and_left_as_it_is() -> None:
    encoder = make_encoder()
    encoder.network.compile(backend="eager")
    before = dict(encoder.network.__dict__)
    with pytest.raises(ValueError, match="a compiled model cannot be exported: load it again"):
        trace(encoder)
    assert encoder.network.__dict__ == before


@pytest.mark.slow
def test_a_model_in_training_is_traced_as_in_evaluation_and_left_as_it_is() -> None:
    encoder = with_head(make_encoder(), CLASSES)
    points_BN3 = torch.rand(3, 70, 3)
    expected = encoder.forward_head(encoder.head_features(points_BN3))
    before = fingerprint(encoder)
    graph = trace(encoder.train())
    assert all(part.training for part in encoder.modules())
    assert fingerprint(encoder) == before
    assert (graph.inputs, graph.outputs, graph.facts["output"]) == (("points",), ("scores",), "scores")
    torch.testing.assert_close(graph.program.module()(points=points_BN3), expected, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_the_pooling_of_the_feature_can_be_chosen() -> None:
    encoder, points_BN3 = make_encoder(), torch.rand(1, 9, 3)
    graph = trace(encoder, pool="mean")
    assert graph.facts["pool"] == "mean"
    features = graph.program.module()(points=points_BN3)[0]
    torch.testing.assert_close(features, encoder(points_BN3, pool="mean").pooled, rtol=0, atol=1e-6)
