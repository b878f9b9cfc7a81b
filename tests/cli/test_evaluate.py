"""`crossjepa eval`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossjepa.cli.main import main
from crossjepa.evaluate import list_protocols
from tests.evaluate.conftest import save
from tests.helpers import dataset_writers as writers

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSJEPA_CACHE", str(tmp_path / "cache"))


def test_list(capsys: Capture) -> None:
    assert main(["eval", "list", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == list_protocols()
    assert main(["eval", "list"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == list_protocols()


def test_eval_prints_a_table_and_writes_json(tmp_path: Path, capsys: Capture) -> None:
    path, output = save(tmp_path / "boxes.npz"), tmp_path / "result.json"
    command = ["eval", "knn", str(path), "--model", "d2", "--no-progress", "-o", str(output)]
    assert main(command) == 0
    text = capsys.readouterr().out
    result = json.loads(output.read_text())
    assert result["protocol"] == "knn"
    assert result["data"]["name"] == "clouds"
    assert f"accuracy                 {result['metrics']['accuracy']:.4f}" in text
    assert len(list((tmp_path / "cache" / "features").glob("*.npz"))) == 2
    assert main([*command[:-2], "--json", "--holdout", "--per-class", "10"]) == 0
    assert json.loads(capsys.readouterr().out)["table"][0]["test"] == 12


def test_eval_of_split_files(tmp_path: Path, capsys: Capture) -> None:
    writers.fewshot_fold(tmp_path / "5way_10shot" / "0.pkl", way=5, shot=10, queries=2)
    assert main(["eval", "fewshot", str(tmp_path), "-m", "d2", "--json", "--no-cache"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["data"]["folds"] == 1
    assert "5w10s" in result["metrics"]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("eval", "svm", "{data}"), "unknown protocol 'svm'; known are linear"),
        (("eval", "linear"), "say which data set"),
        (("eval", "linear", "{tmp}/nothing"), "no such file or folder"),
        (("eval", "linear", "{data}", "-o", "{tmp}/no/out.json"), "folder does not exist"),
        (("eval", "linear", "{data}", "--data-set", "mnist"), "unknown data set 'mnist'"),
        (("eval", "linear", "{data}", "-m", "no-such-model"), "crossjepa-base"),
        (("eval", "knn", "{data}", "-m", "d2", "--settings", "5x10"), "not a few-shot protocol"),
        (("eval", "i2p-mae", "{data}", "-m", "d2"), "fixes C only for modelnet40"),
        (("eval", "fewshot", "{data}", "-m", "d2", "--settings", "5*10"), "'5*10' is not of the form 5x10"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path, capsys: Capture, arguments: tuple[str, ...], word: str
) -> None:
    data = save(tmp_path / "boxes.npz", per_class=2)
    filled = [argument.replace("{tmp}", str(tmp_path)).replace("{data}", str(data)) for argument in arguments]
    assert main(filled) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("crossjepa: error: ")
    assert word in captured.err
