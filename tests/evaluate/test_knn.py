"""Neighbors and retrieval, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa.evaluate.knn import retrieval_scores, vote


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
