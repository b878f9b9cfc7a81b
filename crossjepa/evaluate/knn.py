"""k nearest neighbors and retrieval, by the cosine of standardized features.

n train clouds, m test clouds, E embedding width
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.features import Features
from crossjepa.evaluate.linear import scale_features
from crossjepa.evaluate.probes import Labels, classify, partition_facts
from crossjepa.result import Outcome

NEIGHBORS = (1, 3, 5, 10, 20, 50)
_CHUNK = 1024


def run_knn(context: EvaluationContext) -> Outcome:
    """Classifies by the most frequent class of the k most similar training clouds.

    k is the best of `NEIGHBORS` when every training cloud is classified by all others.
    """
    return classify(context, fit_knn, settings={"neighbors": list(NEIGHBORS)})


def fit_knn(
    context: EvaluationContext, train_nE: Features, train_n: Labels, test_mE: Features
) -> tuple[Labels, dict[str, Any]]:
    """Chooses k on the training part and classifies the test part."""
    unit_nE, unit_mE = unit_features(train_nE, test_mE)
    counts = [count for count in NEIGHBORS if count < len(train_n)] or [1]
    votes_kn = vote(unit_nE, unit_nE, train_n, counts, leave_out_self=True)
    scores = (votes_kn == train_n).mean(axis=1)
    best = int(scores.argmax())
    found_m = vote(unit_nE, unit_mE, train_n, [counts[best]])[0]
    return found_m, {"k": counts[best], "validation": float(scores[best])}


def vote(
    train_nE: NDArray[np.float64],
    queries_mE: NDArray[np.float64],
    labels_n: Labels,
    counts: Sequence[int],
    leave_out_self: bool = False,
) -> NDArray[np.int64]:
    """Classifies by the majority of the nearest neighbors; ties go to the more similar ones.

    Args:
        train_nE: (n, E) unit features with known classes.
        queries_mE: (m, E) unit features to classify.
        labels_n: (n,) classes.
        counts: numbers of neighbors to try.
        leave_out_self: the queries are the training features, none of them its own neighbor.

    Returns:
        (len(counts), m) classes.
    """
    most, classes = max(counts), int(labels_n.max()) + 1
    votes = np.zeros((len(counts), len(queries_mE)), np.int64)
    for start in range(0, len(queries_mE), _CHUNK):
        similarity = queries_mE[start : start + _CHUNK] @ train_nE.T
        rows = np.arange(len(similarity))
        if leave_out_self:
            similarity[rows, start + rows] = -np.inf
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :most]
        near = np.take_along_axis(similarity, order, axis=1)
        for place, count in enumerate(counts):
            tally = np.zeros((len(similarity), classes))
            # A vote counts 1; similarities, at most 1 each, only decide between equal numbers of votes.
            weights = 1 + near[:, :count] / (4 * most)
            np.add.at(tally, (rows[:, None], labels_n[order[:, :count]]), weights)
            votes[place, start : start + len(similarity)] = tally.argmax(axis=1)
    return votes


def run_retrieval(context: EvaluationContext) -> Outcome:
    """Ranks the test clouds by similarity to each of them, and scores the ranks of those of its class."""
    rows = []
    for partition in context.division.partitions:
        train_nE, test_mE = context.features(partition.train_n), context.features(partition.test_m)
        _, unit_mE = unit_features(train_nE, test_mE)
        scores = retrieval_scores(unit_mE, context.labels(partition.test_m))
        rows.append({**partition_facts(context, partition), **scores})
    names = ("map", "map_by_class", "precision_at_1", "first_tier")
    return Outcome({name: float(np.mean([row[name] for row in rows])) for name in names}, rows)


def retrieval_scores(unit_mE: NDArray[np.float64], labels_m: Labels) -> dict[str, Any]:
    """Scores the retrieval of every cloud from all others.

    Args:
        unit_mE: (m, E) unit features.
        labels_m: (m,) classes.

    Returns:
        `map`: mean over queries of the average precision; `map_by_class`: its mean over classes;
        `precision_at_1`: share of queries whose first answer is of their class; `first_tier`: recall among as
        many answers as there are right ones; `queries`: number of clouds with another one of their class; the
        rest count only as answers.

    Raises:
        ValueError: no class has two clouds.
    """
    precisions, firsts, tiers, classes = [], [], [], []
    for start in range(0, len(unit_mE), _CHUNK):
        similarity = unit_mE[start : start + _CHUNK] @ unit_mE.T
        for row, values in enumerate(similarity):
            query = start + row
            order = np.argsort(-values, kind="stable")
            right = labels_m[order[order != query]] == labels_m[query]
            if not right.any():
                continue
            ranks = np.flatnonzero(right) + 1
            precisions.append(float((np.arange(1, len(ranks) + 1) / ranks).mean()))
            firsts.append(bool(right[0]))
            tiers.append(float(right[: len(ranks)].mean()))
            classes.append(int(labels_m[query]))
    if not classes:
        raise ValueError("no class has two clouds: nothing can be retrieved")
    found, of_class = np.array(precisions), np.array(classes)
    by_class = [found[of_class == label].mean() for label in np.unique(of_class)]
    return {
        "map": float(found.mean()),
        "map_by_class": float(np.mean(by_class)),
        "precision_at_1": float(np.mean(firsts)),
        "first_tier": float(np.mean(tiers)),
        "queries": len(classes),
    }


def unit_features(train_nE: Features, test_mE: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standardizes by the training part and scales every feature to unit length."""
    train, test = (
        part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
        for part in scale_features(train_nE, test_mE, "standardized")
    )
    return train, test
