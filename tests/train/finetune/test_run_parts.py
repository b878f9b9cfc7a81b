"""Part segmentation: trained on files in the published formats, scored as the field does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.cli.main import main
from crossjepa.datasets import load
from crossjepa.evaluate import evaluate_parts
from crossjepa.train.finetune import FinetuneConfig, FinetuneOptions, FinetuneRun, finetune
from tests.helpers.dataset_writers import SYNSETS, h5, lines
from tests.helpers.finetune_data import surface, write_parts

pytest.importorskip("h5py")
QUIET = FinetuneOptions(device="cpu", progress=False)
# Two of ShapeNetPart's classes, by an example of each: number of the class, its first part, their number.
SHAPES = {"desk_lamp": (8, 24, 4), "table": (15, 47, 3)}


@pytest.fixture
def small(tiny: CrossJEPAEncoder, tmp_path: Path) -> FinetuneConfig:
    tiny.save_pretrained(tmp_path / "start")
    return FinetuneConfig.of(
        task="partseg",
        model=str(tmp_path / "start"),
        frozen_epochs=12,
        frozen_copies=2,
        epochs=2,
        batch_size=4,
        hidden=32,
        head_learning_rate=1e-2,
        learning_rate=1e-3,
        query_points=96,
        precision="float32",
    )


def write_shapenetpart(folder: Path, points: int = 128) -> Path:
    """`hdf5_data` as published; the parts of each class are slices of its height."""
    lines(folder / "all_object_categories.txt", *(f"{name}\t{synset}" for name, synset in SYNSETS.items()))
    for number, (split, a_class) in enumerate((("train", 8), ("val", 2), ("test", 3))):
        lines(folder / f"{split}_hdf5_file_list.txt", f"ply_data_{split}0.h5")
        clouds, labels, parts = [], [], []
        for name, (label, first, count) in SHAPES.items():
            for seed in range(a_class):
                points_N3 = surface(name, 100 * number + seed, points)
                height_N = points_N3[:, 1]
                limits = np.quantile(height_N, np.arange(1, count) / count)
                clouds.append(points_N3)
                labels.append([label])
                parts.append(first + np.searchsorted(limits, height_N))
        h5(
            folder / f"ply_data_{split}0.h5",
            data=np.array(clouds, np.float32),
            label=np.array(labels, np.uint8),
            pid=np.array(parts, np.uint8),
        )
    return folder


def test_shapenetpart_from_files_to_scores(
    small: FinetuneConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_shapenetpart(tmp_path / "hdf5_data")
    options = ["--task", "partseg", "-m", small.model, "--frozen-epochs", "12", "--epochs", "2"]
    options += ["--batch-size", "4", "--hidden", "32", "--head-learning-rate", "0.01", "--query-points", "96"]
    options += ["--data-set", "shapenetpart", "--votes", "2", "--json"]
    assert main(["finetune", str(data), "-o", str(tmp_path / "model"), *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["protocol"] == "finetune-partseg"
    assert [result["data"][name] for name in ("train", "validation", "test")] == [16, 4, 6]
    assert {"instance_miou", "class_miou", "accuracy", "instance_miou_2_votes"} < set(result["metrics"])
    assert {row["class"] for row in result["table"]} == {"Lamp", "Table"}
    # The same figures, by the evaluation of any model, through files and the public function.
    model = CrossJEPAEncoder.from_pretrained(tmp_path / "model")
    dataset = load("shapenetpart", data).subset("test")
    again = evaluate_parts(
        lambda sample: model.predict_parts(sample.points_N3, model.classes[sample.label or 0]).parts_N,
        dataset,
    )
    for name in ("instance_miou", "class_miou", "accuracy"):
        assert again.metrics[name] == pytest.approx(result["metrics"][name], abs=1e-9)
    # Always the most frequent part, and for every point the same one, is what it must beat.
    guess = evaluate_parts(lambda sample: np.full(len(sample.points_N3), sample.parts_N.min()), dataset)  # type: ignore[union-attr]
    assert result["metrics"]["instance_miou"] > guess.metrics["instance_miou"] + 0.2
    assert len(model.part_names) == 50


def test_npz_of_parts_from_scratch_and_pretrained(small: FinetuneConfig, tmp_path: Path) -> None:
    data = write_parts(tmp_path / "parts.npz")
    warm = finetune(data, tmp_path / "warm", small, options=QUIET)
    cold = finetune(data, tmp_path / "cold", small.change(from_scratch=True), options=QUIET)
    assert warm.metrics["accuracy"] > 0.8
    assert warm.metrics != cold.metrics
    model = CrossJEPAEncoder.from_pretrained(tmp_path / "warm")
    assert model.part_names == ("desk_lamp/low", "desk_lamp/high", "horse/low", "horse/high")
    cloud = surface("horse", 77, 300)
    answer = model.predict_parts(cloud, "horse")
    assert set(answer.names_N) <= {"horse/low", "horse/high"}
    assert ((answer.probabilities_N >= 0.5) & (answer.probabilities_N <= 1)).all()
    truth_N = 2 + (cloud[:, 1] > np.quantile(cloud[:, 1], 0.33))
    assert (answer.parts_N == truth_N).mean() > 0.75
    model.save_pretrained(tmp_path / "copy")
    copy = CrossJEPAEncoder.from_pretrained(tmp_path / "copy").predict_parts(cloud, "horse")
    np.testing.assert_array_equal(answer.parts_N, copy.parts_N)
    np.testing.assert_array_equal(answer.probabilities_N, copy.probabilities_N)


def test_parts_of_a_mesh_are_parts_of_its_vertices(
    small: FinetuneConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.conftest import SAMPLES

    data = write_parts(tmp_path / "parts.npz")
    assert finetune(data, tmp_path / "model", small.change(epochs=0, frozen_epochs=2), options=QUIET)
    model = CrossJEPAEncoder.from_pretrained(tmp_path / "model")
    from crossjepa.io import Mesh, read

    shape = read(SAMPLES / "horse.obj")
    assert isinstance(shape, Mesh)
    parts_N = model.predict_parts(SAMPLES / "horse.obj", "horse").parts_N
    assert len(parts_N) == len(shape.vertices_V3)

    (tmp_path / "bad.obj").write_text("v 0 0 nan\n")
    files, written = [str(SAMPLES / "horse.obj"), str(tmp_path / "bad.obj")], tmp_path / "parts.npz"
    words = ["predict", *files, "-m", str(tmp_path / "model")]
    assert main(words) == 2
    assert "class" in capsys.readouterr().err
    assert main([*words, "--label", "horse", "-o", str(written)]) == 1
    printed = capsys.readouterr()
    assert "bad.obj" in printed.err
    shares = {name: float(share) for _, name, share in map(str.split, printed.out.splitlines())}
    with np.load(written) as arrays:
        np.testing.assert_array_equal(arrays[files[0]], parts_N)
        assert sorted(arrays.files) == sorted([files[0], "part_names"])
        named_N = arrays["part_names"][parts_N]
    assert shares == {name: pytest.approx((named_N == name).mean(), abs=1e-4) for name in set(named_N)}


def test_parts_of_a_class_by_name_or_by_its_clouds(small: FinetuneConfig, tmp_path: Path) -> None:
    with np.load(write_parts(tmp_path / "parts.npz")) as archive:
        arrays = dict(archive)
    config = small.change(epochs=0, frozen_epochs=1)
    np.savez(tmp_path / "unnamed.npz", **{**arrays, "part_names": np.array(["a", "b", "c", "d"])})
    finetune(tmp_path / "unnamed.npz", tmp_path / "model", config, options=QUIET)
    head = CrossJEPAEncoder.from_pretrained(tmp_path / "model").head_config
    assert head is not None
    assert head.class_parts == ((0, 1), (2, 3)), "not all parts of all classes, whose absence would score"
    arrays["part_labels"][3, 7] = 2
    np.savez(tmp_path / "wrong.npz", **arrays)
    with pytest.raises(ValueError, match=r"class 'desk_lamp' have parts of others: \['horse/low'\]"):
        finetune(tmp_path / "wrong.npz", tmp_path / "model2", config, options=QUIET)


@pytest.mark.slow
def test_a_cut_run_goes_on_to_the_same_result(small: FinetuneConfig, tmp_path: Path) -> None:
    data, config = write_parts(tmp_path / "parts.npz"), small.change(frozen_epochs=3, epochs=3)
    whole = finetune(data, tmp_path / "whole", config, options=QUIET)
    for _ in range(2):
        assert not FinetuneRun(data, tmp_path / "cut", config, options=QUIET).train(2)
    cut = finetune(data, tmp_path / "cut", config, options=QUIET)
    assert whole.model["weights"] == cut.model["weights"]
    assert whole.metrics == cut.metrics
