"""The subcommands `data` and `eval`, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossjepa.cli.main import main
from crossjepa.datasets import list_datasets
from crossjepa.evaluate import list_protocols
from tests.evaluate.conftest import save
from tests.helpers import dataset_writers as writers

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSJEPA_CACHE", str(tmp_path / "cache"))


def test_lists(capsys: Capture) -> None:
    assert main(["data", "list"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == list_datasets()
    assert main(["data", "list", "modelnet40"]) == 0
    assert "3176385ffc31a7b6b5af22191fd920d1  ply_data_train0.h5" in capsys.readouterr().out
    assert main(["eval", "list"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == list_protocols()


def test_check(tmp_path: Path, capsys: Capture) -> None:
    path = save(tmp_path / "boxes.npz")
    assert main(["data", "check", "clouds", str(path)]) == 0
    assert "whole" in capsys.readouterr().out
    assert main(["data", "check", "modelnet40", str(path), "--json"]) == 1
    captured = capsys.readouterr()
    (found,) = json.loads(captured.out)
    assert (found["counts"], found["points"], found["is_whole"]) == (
        {"test": 150, "train": 180},
        [64, 64],
        False,
    )
    assert "180 samples in split train, expected 9,843" in captured.err


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
        (("eval", "knn", "{data}", "-m", "d2", "--settings", "5x10"), "no few-shot protocol"),
        (("eval", "i2p-mae", "{data}", "-m", "d2"), "fixes C only for modelnet40"),
        (("data", "check", "shapenetpart", "{tmp}/nothing"), "get it: https://shapenet"),
        (("data", "check", "shapenetpart", "{tmp}"), "synsetoffset2category.txt"),
        (("data", "list", "mnist"), "unknown data set"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path, capsys: Capture, arguments: tuple[str, ...], word: str
) -> None:
    data = save(tmp_path / "boxes.npz", per_class=2)
    filled = [argument.replace("{tmp}", str(tmp_path)).replace("{data}", str(data)) for argument in arguments]
    assert main(filled) == 2
    assert word in capsys.readouterr().err
