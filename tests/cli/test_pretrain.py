"""The command line of pretraining: what it refuses, it refuses in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa.cli.main import main as crossjepa
from crossjepa.cli.pretrain import main
from tests.helpers.small_cache import make_cache

SMALL = ["--size", "crossjepa-test", "--predictor-depth", "1", "--few-points", "32", "--steps", "1"]
SMALL += ["--batch-size", "8", "--views-per-step", "2", "--held-out", "4", "--device", "cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cache, a probe that was cut off, and a run."""
    folder = tmp_path_factory.mktemp("data")
    make_cache(folder / "cache")
    np.savez(folder / "whole.npz", points=np.zeros((9, 9, 3)), labels=np.zeros(9, int))
    (folder / "broken.npz").write_bytes((folder / "whole.npz").read_bytes()[:400])
    assert main([*SMALL, "--cache", str(folder / "cache"), "-o", str(folder / "run")]) == 0
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cache", "@x"], "@x: no cache"),
        (["--device", "gpu"], "device 'gpu' cannot be used: Expected one of cpu"),
        (["--device", "cuda:99"], "device 'cuda:99' cannot be used"),
        (["--probe", "broken.npz"], "broken.npz: not a readable npz archive"),
        (["--save-every", "0"], "save_every must be at least 1, not 0"),
        (["--log-every", "0"], "log_every must be at least 1, not 0"),
        (["--probe-every", "-1"], "probe_every must be at least 0, not -1"),
        (["--stop-after", "-1"], "stop_after must be at least 0, not -1"),
        (["--object", "5"], "command line: unknown field --object"),
        (["--log", "5"], "command line: unknown field --log"),
    ],
)
@pytest.mark.parametrize("how", [["-o", "new"], ["--dry-run"]])
def test_one_clear_error(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
    how: list[str],
) -> None:
    monkeypatch.chdir(folder)
    for command in (main, lambda words: crossjepa(["pretrain", *words])):
        assert command([*SMALL, "--cache", "cache", *how, *words]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"error: {message}")
        assert error.count("\n") == 1
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--predictor-depth", "2"], "12 tensors missing: predictor.blocks.1"),
        (["--size", "crossjepa-base"], "tensors of another shape: encoder."),
        (["--contrast-weight", "0"], "3 tensors unexpected: contrast."),
    ],
)
def test_a_start_of_another_size_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    start = folder / "run" / "step-000000001.pt"
    data = ["--cache", str(folder / "cache"), "-o", str(tmp_path / "new"), "--init-from", str(start)]
    assert main([*SMALL, *data, *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {start} is of another recipe or teacher: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()
