"""A result as JSON and as text."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import torch

import crossjepa
from crossjepa.result import Result, versions

RESULT = Result(
    protocol="linear",
    description="a linear SVM",
    metrics={"accuracy": 0.91234, "classes": 40},
    table=[{"fold": 1, "accuracy": 0.5}, {"fold": 10, "accuracy": 0.25}],
    settings={"C": 0.01, "steps": ["scale", "fit"]},
    model={"name": "crossjepa-base", "config": {"width": 288}},
    data={"name": "shapes", "train": 18},
    versions=versions(),
    seconds={"features": 0.0, "protocol": 1.25},
    seed=3,
)


def test_json_holds_everything() -> None:
    assert json.loads(RESULT.to_json()) == RESULT.to_dict()
    assert RESULT.to_dict()["model"] == {"name": "crossjepa-base", "config": {"width": 288}}


def test_text_is_for_people() -> None:
    lines = RESULT.to_text().splitlines()
    assert lines[0] == "linear: a linear SVM"
    assert lines[1] == "model: name crossjepa-base"
    assert "steps: scale" in lines
    table = [line.split() for line in lines[lines.index("") + 1 :][:3]]
    assert table == [["fold", "accuracy"], ["1", "0.5000"], ["10", "0.2500"]]
    assert f"{'accuracy':<24} 0.9123" in lines
    assert lines[-1].endswith("seed 3)")


def test_csv_names_model_and_data_in_every_row() -> None:
    named = replace(
        RESULT,
        model={
            "name": "a,b",
            "weights": "0123456789abcdef",
            "processor": {"outlier_removal": {"neighbors": 8}},
        },
        data={"name": "modelnet40"},
    )
    rows = list(csv.DictReader(io.StringIO(named.to_csv())))
    assert [(row["fold"], row["accuracy"]) for row in rows] == [("1", "0.5000"), ("10", "0.2500")]
    for row in rows:
        assert (row["model"], row["weights"], row["outliers"]) == ("a,b", "0123456789ab", "removed")
        assert (row["protocol"], row["data"]) == ("linear", "modelnet40")
    metrics = list(csv.DictReader(io.StringIO(replace(named, table=[]).to_csv())))
    assert [row["accuracy"] for row in metrics] == ["0.9123"]


def test_versions_are_those_of_what_runs() -> None:
    found = versions()
    assert found["crossjepa"] == crossjepa.__version__
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["numpy"] == np.__version__
