"""Metrics against values worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import load
from crossjepa.evaluate import evaluate_parts, most_likely_parts, part_scores, shape_iou
from crossjepa.evaluate.knn import retrieval_scores, vote


def test_iou_of_a_shape() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 1, 1, 1, 1])
    # part 0: 2 of 3; part 1: 2 of 4; part 2: 0 of 1; part 3: neither there nor predicted
    assert shape_iou(predicted, truth, (0, 1, 2, 3)) == pytest.approx((2 / 3 + 2 / 4 + 0 + 1) / 4)
    assert shape_iou(truth, truth, (0, 1, 2)) == 1
    # a part of another class may be predicted: it is only wrong
    assert shape_iou(np.full(6, 9), truth, (0, 1, 2)) == 0


def test_iou_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="3 predicted parts for 2 points"):
        shape_iou(np.zeros(3, int), np.zeros(2, int), (0,))
    with pytest.raises(ValueError, match="do not belong"):
        shape_iou(np.zeros(2, int), np.array([0, 4]), (0, 1))
    with pytest.raises(ValueError, match="no parts"):
        shape_iou(np.zeros(2, int), np.zeros(2, int), ())
    with pytest.raises(ValueError, match="no shapes"):
        part_scores([], [], [], {})


def test_instance_and_class_means() -> None:
    truths = [np.array([0, 1]), np.array([0, 1]), np.array([2, 2, 3, 3])]
    predictions = [np.array([0, 1]), np.array([0, 0]), np.array([2, 2, 3, 2])]
    scores = part_scores(predictions, truths, [0, 0, 1], {0: (0, 1), 1: (2, 3)})
    second = (1 / 2 + 0) / 2
    third = (2 / 3 + 1 / 2) / 2
    assert scores.instance_miou == pytest.approx((1 + second + third) / 3)
    assert scores.class_miou == pytest.approx(((1 + second) / 2 + third) / 2)
    assert scores.accuracy == pytest.approx(6 / 8)
    assert scores.by_class == pytest.approx({0: (1 + second) / 2, 1: third})
    assert scores.shapes == 3


def test_parts_of_the_own_class_are_picked() -> None:
    scores = np.array([[9.0, 1, 2, 3], [9, 3, 2, 1]])
    assert most_likely_parts(scores, (1, 2, 3)).tolist() == [3, 1]


def test_evaluate_parts(tmp_path: Path) -> None:
    path = tmp_path / "parts.npz"
    np.savez(path, points=np.random.default_rng(0).normal(size=(2, 4, 3)), labels=np.array([0, 1]),
             part_labels=np.array([[0, 0, 1, 1], [2, 2, 2, 2]]), classes=np.array(["Cup", "Mug"]),
             part_names=np.array(["Cup/a", "Cup/b", "Mug/a"]))  # fmt: skip
    dataset = load("labeledpsb-parts", path)
    first = evaluate_parts(lambda sample: np.full(4, dataset.class_parts[sample.label][0]), dataset)
    assert first.metrics == pytest.approx({"instance_miou": 0.625, "class_miou": 0.625, "accuracy": 0.75})
    assert first.table[0] == {"class": "Cup", "shapes": 1, "miou": 0.25}


def test_retrieval() -> None:
    angles = np.deg2rad([0, 10, 25, 45, 180])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    scores = retrieval_scores(features, np.array([0, 1, 0, 1, 2]))
    # nearest first: 0 -> 1 2 3 4, 1 -> 0 2 3 4, 2 -> 1 3 0 4, 3 -> 2 1 0 4; 4 is alone in its class
    precisions = [1 / 2, 1 / 3, 1 / 3, 1 / 2]
    assert scores["map"] == pytest.approx(np.mean(precisions))
    assert scores["map_by_class"] == pytest.approx(np.mean([(1 / 2 + 1 / 3) / 2, (1 / 3 + 1 / 2) / 2]))
    assert (scores["precision_at_1"], scores["first_tier"], scores["queries"]) == (0, 0, 4)


def test_average_precision_of_several_right_answers() -> None:
    angles = np.deg2rad([0, 5, 12, 20])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    scores = retrieval_scores(features, np.array([0, 0, 1, 0]))
    # 0 -> 1 2 3: right at 1 and 3; 1 -> 0 2 3: at 1 and 3; 3 -> 2 1 0: at 2 and 3
    assert scores["map"] == pytest.approx(np.mean([(1 + 2 / 3) / 2, (1 + 2 / 3) / 2, (1 / 2 + 2 / 3) / 2]))
    assert scores["precision_at_1"] == pytest.approx(2 / 3)
    assert scores["first_tier"] == pytest.approx(1 / 2)
    with pytest.raises(ValueError, match="no class has two"):
        retrieval_scores(features, np.arange(4))


def test_votes_of_neighbors() -> None:
    train = np.eye(3)
    labels = np.array([2, 0, 0])
    query = np.array([[0.9, 0.3, 0.3]])
    assert vote(train, query, labels, [1, 2, 3])[:, 0].tolist() == [
        2,
        2,
        0,
    ]  # the tie of two goes to the nearer
    assert vote(train, train, labels, [1], leave_out_self=True)[0].tolist()[1:] == [2, 2]
