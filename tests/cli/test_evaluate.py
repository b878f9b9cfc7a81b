"""`crossjepa eval`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossjepa import CrossJEPAEncoder
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


def test_eval_writes_its_table_as_csv(tmp_path: Path, capsys: Capture) -> None:
    path, output = save(tmp_path / "boxes.npz"), tmp_path / "result.csv"
    assert main(["eval", "realscan", str(path), "-m", "d2", "--no-cache", "-o", str(output), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["table"]
    header, *lines = output.read_text().splitlines()
    assert header == "protocol,model,weights,data,test on,classes,train,test,accuracy,balanced_accuracy"
    assert lines[0].split(",")[-1] == f"{rows[0]['balanced_accuracy']:.4f}"
    assert len(lines) == 5


def test_eval_of_scans_and_models(tmp_path: Path, capsys: Capture) -> None:
    path = save(tmp_path / "boxes.npz", per_class=6)
    command = ["eval", "realscan", str(path), "-m", "d2", "--no-cache", "--cad", str(path), "--cad-data-set"]
    assert main([*command, "clouds", "--class-map", "0=1", "1=0", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["settings"]["transfer"].endswith("0 as 1, 1 as 0, 2, 3, 4, 5")


def test_outliers_are_removed_or_kept(tmp_path: Path, capsys: Capture, tiny: CrossJEPAEncoder) -> None:
    path = save(tmp_path / "boxes.npz", per_class=4)
    tiny.save_pretrained(tmp_path / "tiny")
    for choice, rule in (("keep", False), ("remove", True)):
        command = ["eval", "knn", str(path), "-m", str(tmp_path / "tiny"), "--outliers", choice, "--json"]
        assert main([*command, "--no-progress"]) == 0
        processor = json.loads(capsys.readouterr().out)["model"]["processor"]
        assert ("outlier_removal" in processor) == rule
    assert len(list((tmp_path / "cache" / "features").glob("*.npz"))) == 4


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
        (("eval", "knn", "{data}", "-m", "d2", "--settings", "5x10"), "protocol knn has no option settings"),
        (("eval", "knn", "{data}", "-m", "d2", "--test-clouds", "5"), "has no option test clouds"),
        (("eval", "knn", "{data}", "-m", "d2", "--outliers", "remove"), "d2 has no preprocessing"),
        (("eval", "modelnet-c", "{data}", "-m", "d2"), "clouds of 64 points; this protocol needs"),
        (
            ("eval", "realscan", "{data}", "-m", "d2", "--class-map", "cup"),
            "'cup' is not of the form SCAN=CAD",
        ),
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
