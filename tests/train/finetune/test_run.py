"""Fine-tuning for classification: real files, real processes, and nothing chosen on the test part."""

from __future__ import annotations

import csv
import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from crossjepa import CrossJEPAEncoder, PointCloudError
from crossjepa.cli.main import main
from crossjepa.datasets import Dataset, Sample, load
from crossjepa.datasets.files import FileReader
from crossjepa.io import PointCloud
from crossjepa.result import Result
from crossjepa.train.common.checkpoint import checkpoints
from crossjepa.train.common.loggers import read_log
from crossjepa.train.finetune import FinetuneConfig, FinetuneOptions, FinetuneRun, finetune
from crossjepa.train.finetune.splits import split_dataset
from tests.helpers.finetune_data import NAMES, surface

QUIET = FinetuneOptions(device="cpu", progress=False)
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def trained(data: Path | Dataset, output: Path, config: FinetuneConfig) -> Result:
    return finetune(data, output, config, options=QUIET)


def interrupted(data: Path | Dataset, output: Path, config: FinetuneConfig, epochs: int) -> None:
    assert not FinetuneRun(data, output, config, options=QUIET).train(epochs)


def untimed(run: Path) -> list[dict[str, float]]:
    return [{**line, "seconds": 0.0} for line in read_log(run)]


def as_options(config: FinetuneConfig) -> list[str]:
    """A recipe as words of the command line, the part that differs from the default."""
    default = FinetuneConfig().flat()
    return [
        word
        for name, value in config.flat().items()
        if value != default[name]
        for word in ("--" + name.replace("_", "-"), str(value))
    ]


def test_one_command_from_a_folder_to_names(
    folder: Path, small: FinetuneConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "model"
    options = as_options(small.change(epochs=25, patience=25, votes=3))
    assert main(["finetune", str(folder), "-o", str(output), *options, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["metrics"]["accuracy"] >= 4 / 6
    assert {"balanced_accuracy", "accuracy_3_votes", "validation_accuracy"} < set(result["metrics"])
    assert (result["data"]["train"], result["data"]["validation"], result["data"]["test"]) == (21, 3, 6)
    assert json.loads((output / "result.json").read_text()) == result
    rows = list(csv.reader((output / "confusion.csv").open()))
    assert rows[0] == ["true class", *sorted(NAMES)]
    assert sum(int(cell) for row in rows[1:] for cell in row[1:]) == 6
    assert not checkpoints(output)
    assert not (output / "cache").exists()
    written = tmp_path / "answers.npz"
    assert main(["predict", str(folder / "horse"), "-m", str(output), "-o", str(written)]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 10
    assert [line[1] for line in lines].count("horse") >= 8
    encoder = CrossJEPAEncoder.from_pretrained(output)
    answers = encoder.predict([line[0] for line in lines])
    assert isinstance(answers, list)
    assert [(answer.label, f"{answer.probability:.4f}") for answer in answers] == [
        (b, c) for _, b, c in lines
    ]
    assert encoder.classes == tuple(sorted(NAMES))
    with np.load(written) as arrays:
        assert arrays["files"].tolist() == [line[0] for line in lines]
        assert tuple(arrays["classes"]) == encoder.classes
        again = encoder.predict_proba(arrays["files"].tolist())
        np.testing.assert_allclose(arrays["probabilities"], again, atol=1e-5)
    assert main(["predict", str(folder), "-m", str(output), "--label", "horse"]) == 2
    assert "names classes; --label is for models of parts" in capsys.readouterr().err
    assert encoder.model_config.provenance["finetuned"]["accuracy"] == result["metrics"]["accuracy"]
    assert encoder.similarity_config is None, "training has changed the features"


@pytest.mark.usefixtures("pictures")
def test_pictures_need_matplotlib_and_nothing_else_does(
    folder: Path, small: FinetuneConfig, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    pytest.importorskip("matplotlib")
    trained(folder, tmp_path / "with", small.change(epochs=0))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    trained(folder, tmp_path / "without", small.change(epochs=0))
    for name in ("curves.png", "confusion.png"):
        assert (tmp_path / "with" / name).read_bytes().startswith(b"\x89PNG")
        assert not (tmp_path / "without" / name).exists()
    assert "no confusion.png: matplotlib is not installed" in caplog.text


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bits(folder: Path, small: FinetuneConfig, tmp_path: Path) -> None:
    """Kills the process in both phases of the run, whatever it is just doing after an epoch."""
    config = small.change(frozen_epochs=12, epochs=12, patience=30)
    trained(folder, tmp_path / "whole", config)
    parts = tmp_path / "parts"
    code = "import sys; from tests.train.finetune.test_run import child; child()"
    words = [sys.executable, "-c", code, str(folder), str(parts), json.dumps(config.flat())]
    for epoch in (2, 14):
        process = subprocess.Popen(words, env=ONE_THREAD, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(f"step {epoch} "):
                break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "the run ended before it could be killed"
        assert checkpoints(parts)
    done = subprocess.run(words, capture_output=True, env=ONE_THREAD, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    one, other = (load_file(run / "model.safetensors") for run in (tmp_path / "whole", parts))
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
    assert untimed(tmp_path / "whole") == untimed(parts)
    figures = [json.loads((run / "result.json").read_text()) for run in (tmp_path / "whole", parts)]
    assert figures[0]["metrics"] == figures[1]["metrics"]


def child() -> None:
    """A run in a process of its own, with a checkpoint after every epoch."""
    data, output, recipe = sys.argv[1:]
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    finetune(data, output, FinetuneConfig.of(**json.loads(recipe)), options=replace(QUIET, save_seconds=0))


def test_validation_chooses_the_epoch(folder: Path, small: FinetuneConfig, tmp_path: Path) -> None:
    result = trained(folder, tmp_path / "model", small.change(epochs=30, patience=2))
    lines = read_log(tmp_path / "model")
    scores = [(line["validation_accuracy"], -line["validation_loss"]) for line in lines]
    assert result.settings["best epoch"] == 1 + scores.index(max(scores))
    assert result.metrics["validation_accuracy"] == max(scores)[0]
    assert len(lines) < 38, "patience ended the run"


@pytest.mark.slow
def test_the_test_part_decides_nothing(folder: Path, small: FinetuneConfig, tmp_path: Path) -> None:
    dataset = load("folder", folder, num_points=64)
    test_n = split_dataset(dataset, 0.2, 0.2, seed=0).test_n

    class Noise(FileReader):
        def read(self, row: int) -> Sample:
            if row in test_n:
                return Sample(PointCloud(np.random.default_rng(row).normal(size=(80, 3))))
            return super().read(row)

    disturbed, small = replace(dataset, reader=Noise(dataset.files)), small.change(epochs=20, patience=20)
    first = trained(dataset, tmp_path / "first", small)
    second = trained(disturbed, tmp_path / "second", small)
    assert untimed(tmp_path / "first") == untimed(tmp_path / "second")
    one, other = (load_file(tmp_path / run / "model.safetensors") for run in ("first", "second"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert first.metrics["validation_accuracy"] == second.metrics["validation_accuracy"]
    assert first.metrics["accuracy"] > second.metrics["accuracy"]


def test_another_selection_of_the_same_files_is_another_run(
    folder: Path, small: FinetuneConfig, tmp_path: Path
) -> None:
    dataset = load("folder", folder, num_points=64)
    first, second = dataset.select(range(0, 30, 2)), dataset.select(range(1, 30, 2))
    interrupted(first, tmp_path / "run", small, 1)
    with pytest.raises(ValueError, match="was started with other values of selection"):
        finetune(second, tmp_path / "run", small, options=QUIET)


def test_new_files_stand_like_those_learned_from(folder: Path, small: FinetuneConfig, tmp_path: Path) -> None:
    config = small.change(epochs=0, up_axis="z")
    trained(folder, tmp_path / "model", config)
    model, cloud = CrossJEPAEncoder.from_pretrained(tmp_path / "model"), surface("horse", 99)
    np.testing.assert_array_equal(model.predict_proba(cloud), model.predict_proba(cloud, up_axis="z"))
    assert not np.array_equal(model.predict_proba(cloud), model.predict_proba(cloud, up_axis="y"))


def test_an_ended_run_leaves_nothing_half_written(
    folder: Path, small: FinetuneConfig, tmp_path: Path
) -> None:
    interrupted(folder, tmp_path / "run", small, 1)
    (tmp_path / "run" / ".step-000000001.pt.x1.partial").write_bytes(b"cut")
    (tmp_path / "run" / ".partial-abc").mkdir()
    trained(folder, tmp_path / "run", small)
    assert not list((tmp_path / "run").glob(".*"))


def test_from_scratch_differs_from_pretrained(folder: Path, small: FinetuneConfig, tmp_path: Path) -> None:
    scratch = trained(folder, tmp_path / "scratch", small.change(from_scratch=True))
    warm = trained(folder, tmp_path / "warm", small)
    assert scratch.settings["epochs run"] == 4 == len(read_log(tmp_path / "scratch")), "no frozen part"
    assert warm.settings["epochs run"] == 12
    assert scratch.model["name"] == "random weights"
    start, cold, hot = (
        load_file(tmp_path / run / "model.safetensors")["patch_embedding.point_in.weight"].flatten()
        for run in ("start", "scratch", "warm")
    )
    assert torch.dist(start, hot) < 0.5 * torch.dist(start, cold)


def test_a_frozen_encoder_keeps_its_features(folder: Path, small: FinetuneConfig, tmp_path: Path) -> None:
    trained(folder, tmp_path / "model", small.change(epochs=0))
    before, after = (CrossJEPAEncoder.from_pretrained(tmp_path / name) for name in ("start", "model"))
    cloud = surface("horse", 99)
    np.testing.assert_array_equal(before.encode(cloud), after.encode(cloud))


def test_bad_input_is_named(folder: Path, small: FinetuneConfig, tmp_path: Path) -> None:
    (folder / "horse" / "zz.obj").write_text("v 1 2 three\n")
    with pytest.raises(PointCloudError, match=r"horse/zz\.obj: "):
        finetune(folder, tmp_path / "model", small, options=QUIET)
    (folder / "horse" / "zz.obj").unlink()
    assert finetune(folder, tmp_path / "model", small, options=QUIET), "repaired data need no other folder"
    (folder / "empty").mkdir()
    with pytest.raises(PointCloudError, match=r"empty: no point cloud or mesh file in this class"):
        finetune(folder, tmp_path / "model2", small, options=QUIET)
    table = tmp_path / "table.csv"
    table.write_text("path,label\ndata/horse/00.xyz,horse\ndata/horse/01.npy,horse\n")
    with pytest.raises(ValueError, match="no part labels"):
        finetune(table, tmp_path / "m3", small.change(task="partseg"), options=QUIET)
    with pytest.raises(ValueError, match=r"only the class \['horse'\]"):
        finetune(table, tmp_path / "m4", small, options=QUIET)


def test_command_line_errors(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune", str(tmp_path / "nothing"), "-o", str(tmp_path / "model")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert main(["finetune", str(folder), "-o", str(tmp_path / "model"), "-m", "no/where/at/all"]) == 2
    assert "no/where/at/all: neither a folder" in capsys.readouterr().err
    assert main(["finetune", str(folder), "-o", str(tmp_path / "model"), "--batch-size", "1"]) == 2
    assert "batch_size must be at least 2" in capsys.readouterr().err
    assert main(["predict", str(folder), "-m", "crossjepa-base"]) == 2
    assert "this encoder has no head" in capsys.readouterr().err
    assert main(["predict", str(folder), "-m", "crossjepa-base", "-o", str(tmp_path / "out.txt")]) == 2
    assert "must end in .npz or .csv or .jsonl" in capsys.readouterr().err


def test_folders_of_other_runs_are_left_alone(folder: Path, small: FinetuneConfig, tmp_path: Path) -> None:
    interrupted(folder, tmp_path / "run", small, 2)
    with pytest.raises(ValueError, match=r"was started with other values of dropout, seed"):
        finetune(folder, tmp_path / "run", small.change(seed=1, dropout=0.2), options=QUIET)
    with pytest.raises(ValueError, match="holds another model or run"):
        finetune(folder, tmp_path / "start", small, options=QUIET)
    first = trained(folder, tmp_path / "run", small)
    changed = (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns
    assert trained(folder, tmp_path / "run", small) == first, "an ended run answers from its result"
    assert (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns == changed


@pytest.mark.parametrize("rotate", ["none", "up"])
def test_clouds_of_any_size_and_balanced_classes(small: FinetuneConfig, tmp_path: Path, rotate: str) -> None:
    sizes = (3, 7, 50, 64, 200)
    rows = []
    for number, size in enumerate(sizes * 2):
        name = NAMES[number % 2]
        np.save(tmp_path / f"{number}.npy", surface(name, number, size))
        rows.append(f"{number}.npy,{name}")
    (tmp_path / "table.csv").write_text("path,label\n" + "\n".join(rows))
    config = small.change(rotate=rotate, class_weights="balanced", epochs=2, frozen_epochs=2)
    result = trained(tmp_path / "table.csv", tmp_path / "model", config)
    assert 0 <= result.metrics["accuracy"] <= 1
    assert all(np.isfinite(line["loss"]) for line in read_log(tmp_path / "model"))
