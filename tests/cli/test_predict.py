"""`crossjepa predict`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder, HeadConfig
from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES
from tests.helpers.tiny_weights import make_encoder

CLASSES = HeadConfig("classification", ("chair", "horse", "table"), hidden=16)
PARTS = HeadConfig("partseg", ("horse", "table"), ("head", "legs", "top"), ((0, 1), (1, 2)), hidden=16)
FILES = [SAMPLES / "chair.obj", SAMPLES / "horse.obj"]


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """A tiny model of classes, with random weights."""
    encoder = make_encoder()
    encoder.reset_classifier(CLASSES)
    encoder.save_pretrained(tmp_path / "classes")
    return tmp_path / "classes"


@pytest.fixture
def segmenter(tmp_path: Path) -> Path:
    """A tiny model of parts, with random weights."""
    encoder = make_encoder()
    encoder.reset_classifier(PARTS)
    encoder.save_pretrained(tmp_path / "parts")
    return tmp_path / "parts"


def test_classes(run: Run, tmp_path: Path, classifier: Path) -> None:
    (tmp_path / "bad.off").write_text("OFF\n3 1 0\n")
    files, written = [FILES[0], tmp_path / "bad.off", FILES[1]], tmp_path / "out.npz"
    printed = run("predict", *files, "-m", classifier, "-o", written)
    assert printed.code == 1
    assert printed.err.startswith(f"crossjepa: skipped {tmp_path}/bad.off: ")
    expected = CrossJEPAEncoder.from_pretrained(classifier).predict(FILES)
    assert isinstance(expected, list)
    assert printed.out.splitlines() == [
        f"{file}\t{each.label}\t{each.probability:.4f}" for file, each in zip(FILES, expected, strict=True)
    ]
    answers = run("predict", *files, "-m", classifier, "--json").json
    assert [(each["file"], each["label"]) for each in answers] == [
        (str(file), each.label) for file, each in zip(FILES, expected, strict=True)
    ]
    with np.load(written) as arrays:
        assert arrays["files"].tolist() == list(map(str, FILES))
        assert arrays["classes"].tolist() == list(CLASSES.classes)
        probabilities = [[each["probabilities"][name] for name in CLASSES.classes] for each in answers]
        np.testing.assert_allclose(arrays["probabilities"], probabilities, atol=1e-6)


def test_parts(run: Run, tmp_path: Path, segmenter: Path) -> None:
    words = ["predict", *FILES, "-m", segmenter, "--label", "horse", "--votes", "2"]
    printed = run(*words, "-o", tmp_path / "out.npz")
    assert (printed.code, printed.err) == (0, "")
    answers = run(*words, "--json").json
    assert printed.out.splitlines() == [
        f"{each['file']}\t{name}\t{share:.4f}" for each in answers for name, share in each["parts"].items()
    ]
    encoder = CrossJEPAEncoder.from_pretrained(segmenter)
    with np.load(tmp_path / "out.npz") as arrays:
        assert sorted(arrays.files) == sorted([*map(str, FILES), "part_names"])
        assert arrays["part_names"].tolist() == list(PARTS.part_names)
        for file, answer in zip(FILES, answers, strict=True):
            expected = encoder.predict_parts(file, "horse", votes=2)
            np.testing.assert_array_equal(arrays[str(file)], expected.parts_N)
            names, counts = np.unique(expected.names_N, return_counts=True)
            shares = dict(zip(names.tolist(), counts / counts.sum(), strict=True))
            assert answer == {"file": str(file), "parts": pytest.approx(shares)}


def test_parts_of_files_that_can_be_used(run: Run, tmp_path: Path, segmenter: Path) -> None:
    (tmp_path / "bad.off").write_text("OFF\n3 1 0\n")
    files = [FILES[0], tmp_path / "bad.off", FILES[1]]
    printed = run(
        "predict", *files, "-m", segmenter, "--label", "horse", "-o", tmp_path / "out.npz", "--json"
    )
    assert printed.code == 1
    assert printed.err.startswith(f"crossjepa: skipped {tmp_path}/bad.off: ")
    assert [each["file"] for each in printed.json] == list(map(str, FILES))
    with np.load(tmp_path / "out.npz") as arrays:
        assert sorted(arrays.files) == sorted([*map(str, FILES), "part_names"])


def test_nothing_but_bad_files(run: Run, tmp_path: Path, classifier: Path) -> None:
    (tmp_path / "bad.off").write_text("OFF\n3 1 0\n")
    printed = run("predict", tmp_path / "bad.off", "-m", classifier, "-o", tmp_path / "out.npz")
    assert (printed.code, printed.out) == (2, "")
    assert printed.err.splitlines()[1].startswith("crossjepa: error: nothing was written")
    assert not (tmp_path / "out.npz").exists()


def test_mistakes_are_explained(run: Run, tmp_path: Path, classifier: Path, segmenter: Path) -> None:
    for words, message in (
        (["-m", "crossjepa-base"], "this encoder has no head"),
        (["-m", "crossjepa-base", "-o", tmp_path / "out.txt"], "must end in .npz or .csv or .jsonl"),
        (["-m", classifier, "--label", "horse"], "--label is for models of parts"),
        (["-m", classifier, "--top", "0"], "--top must be at least 1"),
        (["-m", classifier, "--unknown"], "has no calibrated threshold"),
        (["-m", classifier, "--unknown-below", "2"], "must be from 0 to 1"),
        (["-m", segmenter, "--label", "horse", "--top", "2"], "are for models of classes"),
        (["-m", segmenter, "--label", "horse", "-o", tmp_path / "out.csv"], "are written to .npz only"),
        (["-m", segmenter], "label must be the class of the object"),
        (["-m", classifier, "--votes", "0"], "votes must be at least 1"),
        ([], "missing from crossjepa predict: -m"),
    ):
        assert message in only_error(run("predict", FILES[0], *words))


def test_several_classes_tables_and_lines(run: Run, tmp_path: Path, classifier: Path) -> None:
    expected = CrossJEPAEncoder.from_pretrained(classifier).predict(FILES)
    assert isinstance(expected, list)
    printed = run("predict", *FILES, "-m", classifier, "--top", 2, "-o", tmp_path / "out.csv")
    lines = [
        f"{file}\t{name}\t{share:.4f}"
        for file, each in zip(FILES, expected, strict=True)
        for name, share in list(each.probabilities.items())[:2]
    ]
    assert printed.out.splitlines() == lines
    table = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [row["label"] for row in table] == [each.label for each in expected]
    assert float(table[0]["horse"]) == pytest.approx(expected[0].probabilities["horse"], rel=1e-5)
    printed = run("predict", *FILES, "-m", classifier, "--json-lines", "-o", tmp_path / "out.jsonl")
    assert [json.loads(line)["label"] for line in printed.out.splitlines()] == [
        each.label for each in expected
    ]
    assert (tmp_path / "out.jsonl").read_text() == printed.out


def test_what_the_model_is_not_sure_of_is_unknown(run: Run, tmp_path: Path, classifier: Path) -> None:
    expected = CrossJEPAEncoder.from_pretrained(classifier).predict(FILES)
    assert isinstance(expected, list)
    between = (expected[0].probability + expected[1].probability) / 2
    labels = [each.label if each.probability >= between else "unknown" for each in expected]
    assert labels.count("unknown") == 1
    printed = run("predict", *FILES, "-m", classifier, "--unknown-below", between)
    assert [line.split("\t")[1] for line in printed.out.splitlines()] == labels
    encoder = CrossJEPAEncoder.from_pretrained(classifier)
    encoder.with_provenance(finetuned={"unknown_below": between}).save_pretrained(tmp_path / "sure")
    again = run("predict", *FILES, "-m", tmp_path / "sure", "--unknown", "--json").json
    assert [each["label"] for each in again] == labels


def test_names_come_from_standard_input(run: Run, classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(map(str, FILES)) + "\n\n"))
    assert run("predict", "-", "-m", classifier).out == run("predict", *FILES, "-m", classifier).out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "standard input names no file" in only_error(run("predict", "-", "-m", classifier))
