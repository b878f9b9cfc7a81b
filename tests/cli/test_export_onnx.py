"""`crossjepa export-onnx`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crossjepa import CrossJEPAEncoder
from tests.cli.conftest import Run, only_error
from tests.helpers.heads import CLASSES, with_head
from tests.helpers.onnx_files import need_onnx, session_of
from tests.helpers.tiny_weights import make_encoder


@pytest.mark.slow
def test_a_fine_tuned_model_becomes_a_file_of_scores(run: Run, tmp_path: Path) -> None:
    need_onnx()
    with_head(make_encoder(), CLASSES).save_pretrained(tmp_path / "weights")
    path = tmp_path / "model.onnx"
    printed = run("export-onnx", tmp_path / "weights", "-o", path)
    assert printed == (0, f"{path}: points -> scores of {tmp_path / 'weights'}\n", "")
    scores = session_of(path).run(None, {"points": torch.rand(4, 20, 3).numpy()})[0]
    assert scores.shape == (4, len(CLASSES.classes))
    assert CrossJEPAEncoder.from_pretrained(path, backend="onnx").classes == CLASSES.classes


@pytest.mark.slow
def test_an_archive_of_torch_needs_no_extra(run: Run, tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path / "weights")
    path = tmp_path / "model.pt2"
    words = ("--format", "torch", "--output", "points", "--json")
    printed = run("export-onnx", tmp_path / "weights", "-o", path, *words)
    assert (printed.code, printed.err) == (0, "")
    assert printed.json["inputs"] == ["points"]
    assert printed.json["outputs"] == ["features"]
    assert len(printed.json["weights_sha256"]) == 64
    assert torch.export.load(path).module()(points=torch.rand(2, 30, 3)).shape == (2, 30, 24)


def test_what_cannot_be_exported_is_one_line(run: Run, tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path / "weights")
    for words, message in (
        (["-o", tmp_path / "model.pt2"], "output must end in .onnx"),
        (["-o", tmp_path / "model.onnx", "--format", "torch"], "output must end in .pt2"),
        (["-o", tmp_path / "model.pt2", "--format", "torch", "--output", "scores"], "has no head"),
        (["-o", tmp_path / "model.pt2", "--format", "torch", "--int8"], "--int8 is for --format onnx only"),
        (["-o", tmp_path / "none" / "model.onnx"], "the folder does not exist"),
    ):
        assert message in only_error(run("export-onnx", tmp_path / "weights", *words))
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
