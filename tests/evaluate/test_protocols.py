"""The protocols on small data whose answers are known."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from crossjepa import CrossJEPAEncoder, PointCloudError
from crossjepa.datasets import Dataset, load
from crossjepa.datasets.splits import divide, draw_per_class, limit
from crossjepa.evaluate import PROTOCOLS, EncoderFeatures, evaluate, evaluate_folds, linear_svm
from crossjepa.evaluate.baselines import untrained_encoder
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.fewshot import draw_folds, run_fewshot
from crossjepa.evaluate.fewshot_tuned import FINETUNED
from crossjepa.evaluate.probes import PUBLISHED
from tests.evaluate.conftest import SOLIDS, Spreads, save
from tests.helpers import dataset_writers as writers


def features(dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    subset = dataset.subset(split)
    return Spreads().extract([sample.points_N3 for sample in subset], "y"), subset.labels_n


@pytest.mark.parametrize(
    "protocol", [name for name in PROTOCOLS if name not in ("i2p-mae", "fewshot-finetuned")]
)
def test_every_protocol_gives_a_full_result(boxes: Dataset, spreads: Spreads, protocol: str) -> None:
    boxes = limit(boxes, 40)
    if protocol == "fewshot-crosspoint":
        boxes = limit(boxes, 30)
    result = evaluate(protocol, boxes, spreads, progress=False)
    assert all(0 <= value <= 1 for name, value in result.metrics.items())
    assert result.data["checksum"] == boxes.checksum()
    assert set(result.versions) == {"crossjepa", "python", "numpy", "torch", "scikit-learn"}
    assert set(result.seconds) == {"features", "protocol"}
    columns = {tuple(row) for row in result.table}
    assert len(columns) == 1
    assert json.loads(result.to_json()) == result.to_dict()
    assert result.protocol in result.to_text()


def test_linear_is_the_existing_protocol(boxes: Dataset, spreads: Spreads) -> None:
    result = evaluate("linear", boxes, spreads)
    expected = linear_svm(*features(boxes, "train"), *features(boxes, "test"))
    assert result.metrics["accuracy"] == expected.accuracy > 0.6
    assert result.table[0]["C"] == expected.cost


@pytest.mark.parametrize(
    ("protocol", "machine"),
    [
        ("crosspoint", SVC(kernel="linear", C=0.01)),
        ("point-m2ae", SVC(kernel="linear", C=0.012)),
        ("recon", LinearSVC(C=0.075, dual=True, random_state=0)),
        ("point-mae", LinearSVC(C=1.0, dual=True, random_state=0)),
    ],
)
def test_published_protocols(
    boxes: Dataset, spreads: Spreads, protocol: str, machine: SVC | LinearSVC
) -> None:
    result = evaluate(protocol, boxes, spreads)
    expected = machine.fit(*features(boxes, "train")).score(*features(boxes, "test"))
    assert result.metrics["accuracy"] == expected
    assert result.settings["deviations"]
    assert result.settings["deviations"][0] in result.to_text()
    assert set(spreads.pools) == {"max+mean"}


def test_i2p_mae_has_a_cost_for_two_data_sets(tmp_path: Path, boxes: Dataset, spreads: Spreads) -> None:
    assert PUBLISHED["i2p-mae"].cost("modelnet40-clouds") == 0.0093
    assert PUBLISHED["i2p-mae"].cost("scanobjectnn-obj-bg") == 0.018
    with pytest.raises(ValueError, match="fixes C only for modelnet40"):
        evaluate("i2p-mae", boxes, spreads)
    named = load("modelnet40", save(tmp_path / "named.npz"))
    result = evaluate("i2p-mae", named, spreads)
    expected = SVC(kernel="linear", C=0.0093).fit(*features(named, "train")).score(*features(named, "test"))
    assert result.metrics["accuracy"] == expected
    assert set(spreads.pools) == {"max"}


def test_crosspoint_takes_the_first_points(tmp_path: Path, spreads: Spreads) -> None:
    clouds, labels = np.random.default_rng(0).normal(size=(20, 1500, 3)), np.arange(20) % 2
    np.savez(tmp_path / "clouds.npz", points=clouds, labels=labels)
    evaluate("crosspoint", load("clouds", tmp_path / "clouds.npz"), spreads)
    assert set(spreads.seen) == {1024}


def test_holdout_never_reads_the_test_split(tmp_path: Path, spreads: Spreads) -> None:
    path = save(tmp_path / "boxes.npz")
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["points"][arrays["split"] == "test"] = np.nan
    np.savez(path, **arrays)
    dataset = load("clouds", path)
    result = evaluate("linear", dataset, spreads, holdout=True)
    assert result.table[0]["test on"] == "holdout"
    assert (result.table[0]["train"], result.table[0]["test"]) == (24 * SOLIDS, 6 * SOLIDS)
    with pytest.raises(PointCloudError, match="not finite"):
        evaluate("linear", dataset, spreads)


def test_nothing_is_chosen_on_the_test_split(tmp_path: Path, boxes: Dataset, spreads: Spreads) -> None:
    with np.load(save(tmp_path / "same.npz")) as archive:
        arrays = dict(archive)
    test = arrays["split"] == "test"
    arrays["labels"][test] = np.random.default_rng(0).permutation(arrays["labels"][test])
    np.savez(tmp_path / "mixed.npz", **arrays)
    mixed = load("clouds", tmp_path / "mixed.npz")
    chosen = ("C", "scaling", "k", "validation")
    for protocol in ("linear", "logistic", "knn"):
        first, second = (evaluate(protocol, dataset, spreads).table[0] for dataset in (boxes, mixed))
        assert {key: first[key] for key in chosen if key in first} == {
            key: second[key] for key in chosen if key in second
        }
        assert second["accuracy"] < 0.5 < first["accuracy"]


def test_division_by_folds_and_without_splits(tmp_path: Path, spreads: Spreads) -> None:
    clouds, labels = np.random.default_rng(0).normal(size=(30, 8, 3)), np.arange(30) % 3
    np.savez(tmp_path / "folds.npz", points=clouds, labels=labels, split=np.array(["fold0", "fold1"] * 15))
    folds = divide(load("clouds", tmp_path / "folds.npz"))
    assert [partition.name for partition in folds.partitions] == ["fold0", "fold1"]
    assert sorted(np.concatenate([part.test_m for part in folds.partitions])) == list(range(30))
    np.savez(tmp_path / "all.npz", points=clouds, labels=labels)
    dataset = load("clouds", tmp_path / "all.npz")
    division = divide(dataset, seed=3)
    (partition,) = division.partitions
    assert np.bincount(labels[partition.test_m]).tolist() == [2, 2, 2]
    assert sorted(np.concatenate([partition.train_n, partition.test_m])) == list(range(30))
    assert "seed 3" in division.rule
    assert divide(dataset, seed=4).partitions[0].test_m.tolist() != partition.test_m.tolist()
    result = evaluate("linear", load("clouds", tmp_path / "folds.npz"), spreads)
    assert [row["test on"] for row in result.table] == ["fold0", "fold1"]
    assert "deviation" in result.metrics


def test_classes_of_one_side_are_left_out(tmp_path: Path, spreads: Spreads) -> None:
    clouds, labels = np.random.default_rng(0).normal(size=(40, 8, 3)), np.repeat([0, 1, 2, 3], 10)
    split = np.array((["train"] * 5 + ["test"] * 5) * 2 + ["train"] * 10 + ["test"] * 10)
    np.savez(tmp_path / "psb.npz", points=clouds, labels=labels, split=split)
    row = evaluate("linear", load("clouds", tmp_path / "psb.npz"), spreads).table[0]
    assert (row["classes"], row["train"], row["test"]) == (2, 10, 10)
    assert evaluate("retrieval", load("clouds", tmp_path / "psb.npz"), spreads).table[0]["test"] == 20


def test_fewshot_folds(boxes: Dataset, spreads: Spreads) -> None:
    result = evaluate("fewshot", boxes, spreads)
    assert [(row["way"], row["shot"], row["folds"]) for row in result.table] == [(5, 10, 10), (5, 20, 10)]
    assert len(result.settings["skipped"]) == 2
    assert result.metrics["5w10s"] == result.table[0]["mean"] > 0.6
    assert result.metrics == evaluate("fewshot", boxes, Spreads()).metrics
    assert result.metrics != evaluate("fewshot", boxes, Spreads(), seed=1).metrics
    with pytest.raises(ValueError, match="too small"):
        evaluate("fewshot", limit(boxes, 9), spreads)


def test_fewshot_by_finetuning(boxes: Dataset, tiny: CrossJEPAEncoder, spreads: Spreads) -> None:
    clouds = [sample.points_N3 for sample in boxes.subset("train")]
    encoder = untrained_encoder(clouds, 0, config=tiny.model_config)
    whole = {name: value.clone() for name, value in encoder.state_dict().items()}
    run = partial(run_fewshot, folds=2, settings=[(5, 10)], scorer=FINETUNED)
    outcome = run(EvaluationContext(boxes, EncoderFeatures(encoder, "tiny")))
    assert outcome.metrics["5w10s"] > 0.3, "chance is 0.2 with a deviation of 0.03"
    assert "the head for 60 epochs" in outcome.settings["classifier"]
    assert run(EvaluationContext(boxes, EncoderFeatures(encoder, "tiny"))).metrics == outcome.metrics
    assert all(torch.equal(value, whole[name]) for name, value in encoder.state_dict().items())
    assert encoder.head is None
    scratch = run(EvaluationContext(boxes, EncoderFeatures(encoder, "random", trained=False)))
    assert scratch.settings["classifier"].startswith("the whole network")
    with pytest.raises(ValueError, match="no weights to fine-tune"):
        evaluate("fewshot-finetuned", boxes, spreads)


def test_fewshot_queries_are_not_in_the_support(boxes: Dataset, spreads: Spreads) -> None:
    for fold in draw_folds(EvaluationContext(boxes, spreads), 5, 10, 3, queries_from_train=True):
        assert not set(fold.support_n.tolist()) & set(fold.queries_m.tolist())
        assert (len(fold.support_n), len(fold.queries_m)) == (50, 100)
        assert set(boxes.labels_n[fold.support_n]) == set(boxes.labels_n[fold.queries_m])


def test_fewshot_split_files(tmp_path: Path, spreads: Spreads) -> None:
    for fold in range(2):
        writers.fewshot_fold(tmp_path / "2way_3shot" / f"{fold}.pkl", way=2, shot=3, queries=4)
    result = evaluate_folds(tmp_path, spreads)
    (row,) = result.table
    assert (row["way"], row["shot"], row["folds"]) == (2, 3, 2)
    train, test = writers.clouds(6, seed=0), writers.clouds(8, seed=1)
    support, queries = (
        spreads.extract([cloud.astype(float) for cloud in part], "y") for part in (train, test)
    )
    scaler = StandardScaler().fit(support)
    machine = SVC(kernel="linear", C=1.0).fit(scaler.transform(support), np.repeat([0, 1], 3))
    assert row["mean"] == machine.score(scaler.transform(queries), np.repeat([0, 1], 4))


def test_label_subsets_are_nested_and_keep_every_class() -> None:
    labels = np.repeat(np.arange(4), [100, 40, 10, 1])
    everything = np.arange(len(labels))
    previous: set[int] = set()
    for share, sizes in (
        (0.01, [1, 1, 1, 1]),
        (0.1, [10, 4, 1, 1]),
        (0.5, [50, 20, 5, 1]),
        (1.0, [100, 40, 10, 1]),
    ):
        drawn = draw_per_class(labels, everything, share, seed=2, at_least=1)
        assert np.bincount(labels[drawn]).tolist() == sizes
        assert previous <= set(drawn.tolist())
        previous = set(drawn.tolist())


def test_label_efficiency(boxes: Dataset, spreads: Spreads) -> None:
    result = evaluate("label-efficiency", boxes, spreads)
    assert [(row["labels"], row["train"]) for row in result.table] == [
        ("1%", 6), ("5%", 6), ("10%", 18), ("50%", 90), ("100%", 180)
    ]  # fmt: skip
    assert result.metrics["accuracy_100%"] == evaluate("linear", boxes, spreads).metrics["accuracy"]
    assert result.metrics["accuracy_100%"] > result.metrics["accuracy_1%"] > 1 / SOLIDS


def test_unknown_protocol(boxes: Dataset, spreads: Spreads) -> None:
    with pytest.raises(ValueError, match="point-m2ae"):
        evaluate("svm", boxes, spreads)


def test_real_clouds(modelnet_train: Dataset, tiny: object) -> None:
    from crossjepa import CrossJEPAEncoder

    assert isinstance(tiny, CrossJEPAEncoder)
    context = EvaluationContext(modelnet_train, EncoderFeatures(tiny, "tiny"), holdout=True)
    assert len(context.division.partitions[0].test_m) == 12
    result = evaluate("linear", modelnet_train, tiny, holdout=True)
    assert result.metrics["accuracy"] > 2 / 6
