"""What commands share."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from crossjepa import PointCloudError
from crossjepa.cli import options

Capture = pytest.CaptureFixture[str]


def test_finish_reports_what_failed(capsys: Capture) -> None:
    errors = [PointCloudError("a.ply", "empty"), PointCloudError("b.ply", "damaged")]
    assert options.finish(3, []) == 0
    assert capsys.readouterr() == ("", "")
    assert options.finish(3, errors) == 1
    assert capsys.readouterr() == ("", "crossjepa: skipped a.ply: empty\ncrossjepa: skipped b.ply: damaged\n")
    with pytest.raises(ValueError, match="nothing was written"):
        options.finish(0, errors)
    assert capsys.readouterr().err.count("crossjepa: skipped") == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.txt", "must end in .npz"),
        ("folder.npz", "is a folder"),
        ("none/out.npz", "the folder does not exist"),
        ("locked/out.npz", "the folder cannot be written to"),
    ],
)
def test_outputs_that_cannot_be_written_are_found_first(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked")  # root may write all
    options.check_output(tmp_path / "out.npz", (".npz",))
    with pytest.raises(ValueError, match=message):
        options.check_output(tmp_path / name, (".npz",))


def test_json_is_read_back(capsys: Capture) -> None:
    values = {"a": [1, None, 0.5], "b": "c"}
    options.print_json(values)
    assert json.loads(capsys.readouterr().out) == values


def test_quiet_keeps_warnings(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("crossjepa.train")
    for quiet, expected in ((True, ["wrong"]), (False, ["done", "wrong"])):
        caplog.clear()
        options.log_to_stderr(quiet)
        logger.info("done")
        logger.warning("wrong")
        assert caplog.messages == expected
