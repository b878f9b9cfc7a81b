"""Few-shot protocols with other folds, ways and shots than their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.cli.main import main
from crossjepa.datasets import Dataset
from crossjepa.evaluate import evaluate
from tests.evaluate.conftest import Spreads, save


def test_folds_and_settings(boxes: Dataset, spreads: Spreads) -> None:
    result = evaluate("fewshot", boxes, spreads, folds=3, settings=[(3, 5)])
    assert [(row["way"], row["shot"], row["folds"]) for row in result.table] == [(3, 5, 3)]
    with pytest.raises(ValueError, match="linear is no few-shot protocol: it has no folds"):
        evaluate("linear", boxes, spreads, folds=3)
    for wrong in ({"settings": [(0, 5)]}, {"folds": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            evaluate("fewshot", boxes, spreads, **wrong)


def test_on_the_command_line(
    tmp_path: Path, tiny: CrossJEPAEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    data, model = save(tmp_path / "boxes.npz"), tmp_path / "tiny"
    tiny.save_pretrained(model)
    words = ["eval", "fewshot-finetuned", str(data), "--folds", "2", "--settings", "2x5", "3x4"]
    words += ["--json", "--no-cache", "--no-progress"]
    assert main([*words, "-m", str(model)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [(row["way"], row["shot"], row["folds"]) for row in result["table"]] == [(2, 5, 2), (3, 4, 2)]
    assert set(result["metrics"]) == {"2w5s", "2w5s_deviation", "3w4s", "3w4s_deviation"}
    with pytest.raises(SystemExit):
        main(["eval", "fewshot", str(data), "-m", "d2", "--settings", "5*10"])
    assert "'5*10' is not of the form 5x10" in capsys.readouterr().err
