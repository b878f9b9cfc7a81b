"""Configurations survive JSON, and say what is wrong with a field."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from crossjepa.config import (
    NAMED_SIZES,
    EncoderConfig,
    HeadConfig,
    ModelConfig,
    OutlierRemovalConfig,
    PredictorConfig,
    ProcessorConfig,
    TeacherConfig,
    ViewPredictionConfig,
)
from crossjepa.config_fields import from_dict

PREDICTION = ViewPredictionConfig(PredictorConfig(histogram_bins=3), "a-vit", "cls", 2.0, (0.2, 0.3, 0.5))
SEVERAL = ViewPredictionConfig.of(
    PredictorConfig(target_width=30, histogram_bins=3),
    (TeacherConfig("a-vit", "cls", 10, "12ab"), TeacherConfig("a-cnn", "layers", 20)),
    2.0,
    (0.2, 0.3, 0.5),
)
HEAD = HeadConfig("partseg", ("chair", "lamp"), ("chair/leg", "chair/seat", "lamp/shade"), ((0, 1), (2,)))


@pytest.mark.parametrize("name", NAMED_SIZES)
@pytest.mark.parametrize("head", [None, HEAD, HeadConfig("classification", ("a", "b"), up_axis="z")])
@pytest.mark.parametrize("predictor", [None, PREDICTION, SEVERAL])
def test_json_and_back(name: str, head: HeadConfig | None, predictor: ViewPredictionConfig | None) -> None:
    provenance = {"license": "Apache-2.0", "predictor": {"steps": 3}}
    config = ModelConfig(NAMED_SIZES[name], provenance=provenance, head=head, predictor=predictor)
    values = json.loads(json.dumps(config.to_dict()))
    assert ModelConfig.from_dict(values) == config
    assert ("head" in values, "predictor" in values) == (head is not None, predictor is not None)


def test_outlier_removal_is_in_the_file_only_if_it_is_on() -> None:
    processor = ModelConfig().to_dict()["processor"]
    assert sorted(processor) == ["normalize", "num_points", "seed", "up_axis"]  # all that 0.1.0 reads
    assert ModelConfig.from_dict(ModelConfig().to_dict()).processor.outlier_removal is None
    rule = OutlierRemovalConfig(neighbors=12, threshold=5, max_share=0.05)
    config = ModelConfig(processor=ProcessorConfig(outlier_removal=rule))
    values = json.loads(json.dumps(config.to_dict()))
    assert values["processor"]["outlier_removal"] == {"neighbors": 12, "threshold": 5.0, "max_share": 0.05}
    assert ModelConfig.from_dict(values) == config


def test_the_encoder_alone() -> None:
    config = ModelConfig(provenance={"steps": 1, "predictor": {}}, predictor=PREDICTION).without_predictor()
    assert config.predictor is None
    assert config.provenance == {"steps": 1}


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (EncoderConfig, {"width": 0}, "width must be from 1 to 2**20"),
        (EncoderConfig, {"num_heads": 5}, "must divide width"),
        (EncoderConfig, {"num_points": 8}, "at least num_groups"),
        (EncoderConfig, {"pool": "sum"}, "pool must be one of"),
        (ProcessorConfig, {"num_points": True}, "num_points must be of type int"),
        (ProcessorConfig, {"seed": -1}, "seed must be at least 0"),
        (ProcessorConfig, {"up_axis": "w"}, "up_axis must be one of"),
        (ProcessorConfig, {"normalize": "box"}, "normalize must be one of"),
        (ProcessorConfig, {"outlier_removal": True}, "outlier_removal must be of type OutlierRemovalConfig"),
        (ProcessorConfig, {"outlier_removal": {"neighbors": 0}}, "neighbors must be from 1 to 1000"),
        (OutlierRemovalConfig, {"threshold": 0.0}, "threshold must be above 0"),
        (OutlierRemovalConfig, {"max_share": 1.0}, "max_share must be from 0 to below 1"),
        (PredictorConfig, {"width": 9, "num_heads": 3}, "even"),
        (PredictorConfig, {"conditioning": "all"}, "conditioning must be one of"),
        (PredictorConfig, {"camera_positions": True, "joint_attention": False}, "needs joint_attention"),
        (PredictorConfig, {"detph": 3}, "unknown field"),
    ],
)
def test_wrong_fields_are_named(kind: type[Any], change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        from_dict(kind, change)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"distance": 0}, "distance must be above 0"),
        ({"distance": "far"}, "distance must be of type float"),
        ({"teacher": 1}, "teacher must be of type str"),
        ({"histogram": [0.5, 0.5]}, "must have 3 bins"),
        ({"histogram": [2, 0, 0]}, "histogram must be a list, each from 0 to 1"),
        ({"histogram": 3}, "histogram must be of type tuple"),
        ({"network": 3}, "network must be of type PredictorConfig"),
    ],
)
def test_wrong_fields_of_a_predictor_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        from_dict(ViewPredictionConfig, {**asdict(PREDICTION), **change})
    assert words in str(caught.value)


def test_one_teacher_is_described_as_by_versions_that_know_of_one_only() -> None:
    alone = ViewPredictionConfig.of(
        PredictorConfig(histogram_bins=3), (TeacherConfig("a-vit", "cls", 768),), 2.0, (0.2, 0.3, 0.5)
    )
    assert alone == PREDICTION
    assert alone.each_teacher == (TeacherConfig("a-vit", "cls", 768),)
    values = ModelConfig(predictor=alone).to_dict()["predictor"]
    assert sorted(values) == ["distance", "embedding", "histogram", "network", "teacher", "teacher_sha256"]
    assert SEVERAL.teacher == "a-vit + a-cnn"
    assert SEVERAL.embedding == "cls + layers"
    assert SEVERAL.each_teacher == SEVERAL.teachers


@pytest.mark.parametrize(
    ("teachers", "words"),
    [
        ([{"name": "a", "embedding": "cls", "width": 30}], "several of different names, not ['a']"),
        ([{"name": "a", "embedding": "cls", "width": 15}] * 2, "of different names, not ['a', 'a']"),
        (
            [{"name": name, "embedding": "cls", "width": 10} for name in "ab"],
            "teachers of widths [10, 10] do not make 30 channels",
        ),
        ([{"name": "a", "width": 30}], "TeacherConfig: missing field(s) ['embedding']"),
        ([{"name": "a", "embedding": "cls", "width": 0}], "width must be from 1 to 2**20"),
        (["a", "b"], "teachers must be a list, each of type TeacherConfig"),
        ("a", "teachers must be of type tuple"),
    ],
)
def test_wrong_teachers_are_named(teachers: object, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        from_dict(ViewPredictionConfig, {**asdict(SEVERAL), "teachers": teachers})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ()}, "at least one class"),
        ({"classes": ("chair", "chair")}, "differ"),
        ({"classes": (1, 2)}, "classes must be a list, each of type str"),
        ({"dropout": 1.0}, "dropout"),
        ({"hidden": 0}, "needs hidden layers"),
        ({"class_parts": ((0,),)}, "one entry per class"),
        ({"class_parts": ((0,), (3,))}, "from 0 to 2"),
        ({"task": "detection"}, "task must be one of"),
    ],
)
def test_wrong_fields_of_a_head_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        replace(HEAD, **change)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": 2}, "upgrade crossjepa"),
        ({"encoder": None}, "no 'encoder' section"),
        ({"head": 3}, "head must be of type HeadConfig"),
        ({"extra": 3}, "unknown field"),
    ],
)
def test_wrong_sections_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        ModelConfig.from_dict({**ModelConfig().to_dict(), **change})
    assert words in str(caught.value)


def test_the_license_as_the_first_version_spelled_it() -> None:
    values = {**ModelConfig().to_dict(), "provenance": {"licence": "apache-2.0", "steps": 3}}
    assert ModelConfig.from_dict(values).provenance == {"license": "apache-2.0", "steps": 3}
