"""Reports of runs and evaluations."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossjepa import datasets
from crossjepa.evaluate import evaluate
from crossjepa.result import Result
from crossjepa.train.finetune import FinetuneConfig, FinetuneOptions, FinetuneRun
from crossjepa.view.intervals import wilson
from crossjepa.view.report import metric_intervals, thumbnail, write_finetune_report, write_report
from tests.helpers.finetune_data import surface, write_folder, write_parts
from tests.helpers.tiny_weights import make_encoder

pytest.importorskip("matplotlib", reason="reports need the extra `view`")
SMALL = {
    "frozen_epochs": 2,
    "frozen_copies": 1,
    "epochs": 1,
    "batch_size": 4,
    "hidden": 16,
    "precision": "float32",
}


def test_a_run_of_classification(tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path / "start")
    data = write_folder(tmp_path / "data", 5)
    config = FinetuneConfig.of(model=str(tmp_path / "start"), **SMALL)
    run = FinetuneRun(data, tmp_path / "model", config, options=FinetuneOptions(progress=False))
    run.train()
    result = run.finish()
    page = write_finetune_report(tmp_path / "model", run.dataset).read_text("utf-8")
    found = result.predictions
    assert found is not None
    wrong = int((found.truth_n != found.predicted_n).sum())
    assert page.count("<figure class='shot'>") == wrong
    assert f"{len(found.rows_n) - wrong} of {len(found.rows_n)}" in page
    assert all(word in page for word in ("head alone", "best epoch", "Confusion matrix", "Wilson interval"))
    for row, truth, named in zip(found.rows_n, found.truth_n, found.predicted_n, strict=True):
        assert int(run.dataset.labels_n[row]) == truth
        if truth != named:
            assert run.dataset.names[row] in page
    again = FinetuneRun(data, tmp_path / "model", config, options=FinetuneOptions(progress=False))
    assert write_finetune_report(tmp_path / "model", again.dataset).read_text("utf-8") == page


def test_a_run_of_parts(tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path / "start")
    config = FinetuneConfig.of(model=str(tmp_path / "start"), task="partseg", query_points=32, **SMALL)
    data = write_parts(tmp_path / "parts.npz", 5)
    run = FinetuneRun(data, tmp_path / "model", config, options=FinetuneOptions(progress=False))
    run.train()
    result = run.finish()
    found = metric_intervals(result)
    assert list(found) == ["instance_miou"]
    assert found["instance_miou"].value == pytest.approx(result.metrics["instance_miou"])
    page = write_finetune_report(tmp_path / "model", run.dataset).read_text("utf-8")
    assert "Lowest mIoU" in page
    assert "Confusion" not in page


@pytest.mark.parametrize("protocol", ["linear", "knn", "logistic"])
def test_an_evaluation_shows_what_it_named_wrong(tmp_path: Path, protocol: str) -> None:
    dataset = datasets.load("folder", write_folder(tmp_path / "data", 8))
    result = evaluate(protocol, dataset, make_encoder(), per_class=6)
    found = result.predictions
    assert found is not None
    assert (found.truth_n == dataset.labels_n[found.rows_n]).all(), "rows are those of the complete data set"
    right = found.truth_n == found.predicted_n
    assert right.mean() == result.metrics["accuracy"]
    interval = metric_intervals(result)["accuracy"]
    assert interval == wilson(int(right.sum()), len(right))
    # What is in the page is what was named wrong, whatever that was.
    changed = replace(found, predicted_n=(found.truth_n + 1) % 3)
    write_report(tmp_path / "all_wrong.html", replace(result, predictions=changed), dataset=dataset)
    page = (tmp_path / "all_wrong.html").read_text("utf-8")
    assert page.count("<figure class='shot'>") == min(24, len(right))
    pictures = re.findall(r"src='data:image/png;base64,([^']+)'", page)
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[0]))))
    assert (image < 200).any()


def test_a_result_without_predictions_has_its_figures(tmp_path: Path) -> None:
    result = Result(
        "fewshot", "few-shot <b>", {"5x10": 0.5, "count": 7.0}, [{"way": 5, "mean": 0.5}], {"folds": [1, 2]},
        {"name": "m"}, {"name": "d"}, {}, {}, 0,
    )  # fmt: skip
    write_report(tmp_path / "report.html", result)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "few-shot &lt;b&gt;" in page
    assert "50.0 %" in page
    assert ">7<" in page
    assert "Mistakes" not in page
    assert metric_intervals(result) == {}
    assert "predictions" not in json.loads(result.to_json())


def test_thumbnails_show_a_shape_from_the_side() -> None:
    image = thumbnail(surface("horse", 0, 800), size=80)
    assert image.shape == (80, 80, 3)
    dark = (image < 200).any(axis=2)
    assert 0.05 < dark.mean() < 0.7
    assert np.ptp(np.nonzero(dark)[1]) > 60, "it fills the picture"
