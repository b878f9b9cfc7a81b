"""Few-shot classification by fine-tuning."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.cli.main import main
from crossjepa.datasets import Dataset
from crossjepa.evaluate import EncoderFeatures, evaluate
from crossjepa.evaluate.baselines import untrained_encoder
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.fewshot import run_fewshot
from crossjepa.evaluate.fewshot_tuned import FINETUNED
from tests.evaluate.conftest import Spreads, save


@pytest.mark.slow
def test_fewshot_by_finetuning(boxes: Dataset, tiny: CrossJEPAEncoder, spreads: Spreads) -> None:
    clouds = [sample.points_N3 for sample in boxes.subset("train")]
    encoder = untrained_encoder(clouds, 0, config=tiny.model_config)
    whole = {name: value.clone() for name, value in encoder.state_dict().items()}
    run = partial(run_fewshot, folds=2, settings=[(5, 10)], scorer=FINETUNED)
    outcome = run(EvaluationContext(boxes, EncoderFeatures(encoder, "tiny")))
    assert outcome.metrics["5w10s"] > 0.3, "chance is 0.2 with a deviation of 0.03"
    assert "the head for 60 epochs" in outcome.settings["classifier"]
    assert run(EvaluationContext(boxes, EncoderFeatures(encoder, "tiny"))).metrics == outcome.metrics
    assert all(torch.equal(value, whole[name]) for name, value in encoder.state_dict().items())
    assert encoder.head is None
    untrained = EncoderFeatures(encoder, "random", trained=False)
    scratch = run(EvaluationContext(boxes, untrained), folds=1, settings=[(2, 5)])
    assert scratch.settings["classifier"].startswith("the whole network")
    with pytest.raises(ValueError, match="no weights to fine-tune"):
        evaluate("fewshot-finetuned", boxes, spreads)


@pytest.mark.slow
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
    assert main(["eval", "fewshot", str(data), "-m", "d2", "--settings", "5*10"]) == 2
    assert "'5*10' is not of the form 5x10" in capsys.readouterr().err
