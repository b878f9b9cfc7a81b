"""The command line of pretraining: what it does, and what it refuses in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.cli.main import main
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.pretrain.recipes import CONFIG_FOLDER, load_config
from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES
from tests.helpers.small_cache import make_cache
from tests.helpers.tiny_weights import make_encoder

SMALL = [
    "pretrain",
    "--size",
    "crossjepa-test",
    "--predictor-depth",
    "1",
    "--few-points",
    "32",
    "--steps",
    "1",
]
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
        (["--object", "5"], "unrecognized options: --object, 5; perhaps you meant: --object"),
        (["--log", "5"], "unrecognized options: --log, 5; perhaps you meant: --log-every"),
        (["--compile", "true"], "unrecognized options: true"),
        (["--steps", "1e3"], "--steps: invalid literal for int()"),
        (["--jitter", "much"], "--jitter: could not convert string to float: 'much'"),
        (["--epochs", "3"], "give either steps or epochs"),
        (["--config", "nothing"], "no recipe 'nothing': give the path of a YAML file or one of ['bundled'"),
        (["--config"], "missing value for argument '--config'"),
    ],
)
@pytest.mark.parametrize("how", [["-o", "new"], ["--dry-run"]])
def test_one_clear_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, run: Run, words: list[str], message: str, how: list[str]
) -> None:
    monkeypatch.chdir(folder)
    assert only_error(run(*SMALL, "--cache", "cache", *how, *words)).startswith(message)
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
    folder: Path, tmp_path: Path, run: Run, words: list[str], message: str
) -> None:
    start = folder / "run" / "step-000000001.pt"
    data = ["--cache", folder / "cache", "-o", tmp_path / "new", "--init-from", start]
    error = only_error(run(*SMALL, *data, *words))
    assert error.startswith(f"{start} is of another recipe or teacher: ")
    assert message in error
    assert not (tmp_path / "new").exists()


def test_options_change_the_recipe(folder: Path, tmp_path: Path, run: Run) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text((CONFIG_FOLDER / "bundled.yaml").read_text() + "joint_attention: true\n")
    words = [*SMALL, "--config", recipe, "--cache", folder / "cache", "--no-joint-attention"]
    words += ["--gradient-checkpointing", "--learning-rate=1e-4", "--gradient_clip", "inf"]
    printed = run(*words, "-o", tmp_path / "run", "--quiet", "--no-progress")
    assert printed == (0, "", "")
    recorded = load_checkpoint(checkpoints(tmp_path / "run")[-1])["recipe"]
    assert recorded["gradient_checkpointing"] is True
    assert recorded["joint_attention"] is False
    assert (recorded["learning_rate"], recorded["gradient_clip"]) == (1e-4, float("inf"))
    assert recorded["warmup_steps"] == load_config("bundled").optim.warmup_steps


def test_help_shows_the_values_of_the_recipe(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("steps: 12345\nseed: 6789\n")
    help = run("pretrain", "--config", recipe, "--help").out
    assert "0 to count by `epochs`. (default: 12345)" in help
    assert "seed of everything. (default: 6789)" in help
    assert "12345" not in run("pretrain", "--help").out


def test_a_dry_run_as_json(folder: Path, run: Run) -> None:
    printed = run(*SMALL, "--cache", folder / "cache", "--dry-run", "--json", "--quiet")
    assert (printed.code, printed.err) == (0, "")
    assert printed.json["objects"] == 24
    assert "hours" in run(*SMALL, "--cache", folder / "cache", "--dry-run").out


def test_what_is_missing_is_named(folder: Path, run: Run) -> None:
    assert "give --cache FOLDER" in only_error(run(*SMALL, "-o", folder / "new"))
    assert "give --output FOLDER" in only_error(run(*SMALL, "--cache", folder / "cache"))


def test_export(folder: Path, tmp_path: Path, run: Run) -> None:
    weights = tmp_path / "weights"
    (tmp_path / "facts.json").write_text('{"license": "MIT"}')
    printed = run("export", folder / "run", "-o", weights, "--provenance", tmp_path / "facts.json")
    assert printed.out == f"{weights}: weights of {folder}/run\n"
    assert run("info", weights).json["provenance"]["license"] == "MIT"
    words = ["export", folder / "run", "-o", tmp_path / "mean", "--average-with", weights, weights, "--quiet"]
    assert (run(*words).code, run(*words).out) == (0, "")
    assert run("info", tmp_path / "mean").json["provenance"]["averaged_with"]
    message = only_error(run(*words, "--predictor-only"))
    assert message == "--predictor-only goes neither with --provenance nor with --average-with"
    (weights / "predictor.safetensors").unlink()
    printed = run("export", folder / "run", "-o", weights, "--predictor-only", "--json")
    files = ["config.json", "model.safetensors", "predictor.safetensors"]
    assert (printed.code, printed.json) == (0, {"output": str(weights), "files": files})
    assert (weights / "predictor.safetensors").is_file()
    assert only_error(run("export", tmp_path, "-o", weights)) == f"{tmp_path}: no checkpoint to export"


def test_center_adds_statistics_of_files_to_weights(run: Run, tmp_path: Path) -> None:
    make_encoder().save_pretrained(tmp_path)
    result = run("center", SAMPLES, "-m", tmp_path, "--objects", "5", "--json")
    assert result.code == 0, result.err
    assert result.json == {"model": str(tmp_path), "objects": 5, "width": 48}
    similarity = CrossJEPAEncoder.from_pretrained(tmp_path).similarity_config
    assert similarity is not None
    assert (similarity.objects, len(similarity.std)) == (5, 48)
