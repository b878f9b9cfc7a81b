"""`crossjepa finetune`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES
from tests.helpers.finetune_data import write_folder, write_parts
from tests.helpers.tiny_weights import make_encoder

SMALL = ["--frozen-epochs", "2", "--frozen-copies", "1", "--epochs", "1", "--batch-size", "4"]
SMALL += ["--hidden", "16", "--precision", "float32", "--device", "cpu"]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model to start from."""
    folder = tmp_path_factory.mktemp("start")
    make_encoder().save_pretrained(folder)
    return folder


def test_from_files_to_names(run: Run, tmp_path: Path, start: Path) -> None:
    data, model = write_folder(tmp_path / "data", 5), tmp_path / "model"
    command = ["finetune", data, "-o", model, "-m", start, *SMALL]
    printed = run(*command, "--json", "--quiet")
    assert (printed.code, printed.err) == (0, "")
    assert printed.json["settings"]["hidden"] == 16
    again = run(*command)
    assert f"{model}: the model; use it with `crossjepa predict" in again.err
    assert f"{model}/report.html: the report" in again.err
    assert "Confusion matrix" in (model / "report.html").read_text("utf-8")
    assert "accuracy" in again.out

    printed = run("predict", data / "horse", "-m", model)
    assert printed.code == 0
    assert len(printed.out.splitlines()) == 5


def test_parts(run: Run, tmp_path: Path, start: Path) -> None:
    data, model = write_parts(tmp_path / "parts.npz", 5), tmp_path / "model"
    words = ["finetune", data, "-o", model, "--model", start, "--task", "partseg", *SMALL, "--query-points"]
    assert "instance_miou" in run(*words, "32", "--quiet").out
    assert run("predict", SAMPLES / "horse.obj", "-m", model, "--label", "horse").code == 0


def test_mistakes_are_explained(run: Run, tmp_path: Path) -> None:
    output = tmp_path / "model"
    for words, message in (
        ([tmp_path / "nothing"], "no such file or folder"),
        ([SAMPLES, "-m", "no/where/at/all"], "no/where/at/all: neither a folder"),
        ([SAMPLES, "--batch-size", "1"], "batch_size must be at least 2"),
        ([SAMPLES, "--task", "segment"], "invalid choice 'segment' for argument '--task'"),
        ([], "missing from crossjepa finetune: DATA"),
    ):
        assert message in only_error(run("finetune", *words, "-o", output))
    assert not output.exists()
