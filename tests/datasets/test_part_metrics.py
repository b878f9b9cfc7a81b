"""Part metrics, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa.evaluate import most_likely_parts, part_scores, shape_iou


def test_iou_of_a_shape() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 1, 1, 1, 1])
    # part 0: 2 of 3; part 1: 2 of 4; part 2: 0 of 1; part 3: neither present nor predicted
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
    assert scores.shapes == len(scores.by_shape) == 3
    assert np.mean(scores.by_shape) == pytest.approx(scores.instance_miou)


def test_parts_of_the_own_class_are_picked() -> None:
    scores = np.array([[9.0, 1, 2, 3], [9, 3, 2, 1]])
    assert most_likely_parts(scores, (1, 2, 3)).tolist() == [3, 1]
