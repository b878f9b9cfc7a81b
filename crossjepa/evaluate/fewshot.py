"""Few-shot classification from K labeled clouds of each of N classes: an SVM on features, or fine-tuning.

n support clouds, m queries, E embedding width
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.datasets import find_folds, load_fold
from crossjepa.evaluate.context import Session
from crossjepa.evaluate.features import Features
from crossjepa.evaluate.fewshot_tuned import describe_tuning, score_tuned
from crossjepa.evaluate.probes import Labels, import_sklearn
from crossjepa.result import Outcome

SETTINGS = ((5, 10), (5, 20), (10, 10), (10, 20))
QUERIES = 20
_CLASSIFIER = "StandardScaler fitted on the support, SVC(linear, C=1), raw predictions"


@dataclass(frozen=True, eq=False)
class Fold:
    """One draw of classes, support and queries.

    Attributes:
        support_n: places of the labeled clouds.
        queries_m: places of the clouds to classify.
    """

    support_n: NDArray[np.int64]
    queries_m: NDArray[np.int64]


def run_fewshot(
    session: Session,
    *,
    folds: int = 10,
    settings: Sequence[tuple[int, int]] = SETTINGS,
    queries_from_train: bool = False,
    tuned: bool = False,
) -> Outcome:
    """Classifies queries by K labeled clouds of each of N classes, over seeded folds.

    Args:
        session: data and features; only its first division is used.
        folds: draws a setting.
        settings: pairs of N and K.
        queries_from_train: draw queries from the training split, as CrossPoint does, not from the test split.
        tuned: fine-tune the encoder on every fold instead of fitting an SVM.

    Raises:
        ValueError: the data set is too small for every setting, or there is nothing to fine-tune.
    """
    way_of_scoring = score_tuned if tuned else _score
    rows, skipped = [], []
    for way, shot in settings:
        try:
            drawn = list(draw_folds(session, way, shot, folds, queries_from_train))
        except ValueError as error:
            skipped.append(f"{way}-way {shot}-shot: {error}")
            continue
        scores = [way_of_scoring(session, fold) for fold in drawn]
        rows.append(_row(way, shot, scores))
    if not rows:
        raise ValueError(f"{session.dataset.name} is too small for few-shot folds: {'; '.join(skipped)}")
    source = "the training split" if queries_from_train else "the test split"
    chosen: dict[str, Any] = {
        **(describe_tuning(session) if tuned else {"classifier": _CLASSIFIER}),
        "queries": f"{QUERIES} a class, from {source}",
        "deviation": "numpy.std over folds (divided by their number)",
    }
    return Outcome(_metrics(rows), rows, {**chosen, "skipped": skipped} if skipped else chosen)


def draw_folds(
    session: Session, way: int, shot: int, folds: int, queries_from_train: bool = False
) -> Iterator[Fold]:
    """Draws folds that depend on seed, setting and number alone.

    Args:
        session: data, its division and seed.
        way: classes of a fold.
        shot: labeled clouds of each.
        folds: how many.
        queries_from_train: where queries come from.

    Raises:
        ValueError: too few classes have enough clouds.
    """
    partition = session.learnable()[0]
    train = _by_class(session, partition.train_n)
    test = train if queries_from_train else _by_class(session, partition.test_m)
    needed = shot + QUERIES if queries_from_train else shot
    classes = [label for label in train if len(train[label]) >= needed and len(test[label]) >= QUERIES]
    if len(classes) < way:
        raise ValueError(f"{len(classes)} classes have enough clouds, {way} are needed")
    for fold in range(folds):
        generator = np.random.default_rng([session.seed, way, shot, fold])
        support, queries = [], []
        for label in generator.choice(classes, way, replace=False).tolist():
            shuffled = generator.permutation(train[label])
            support.append(shuffled[:shot])
            rest = shuffled[shot:] if queries_from_train else generator.permutation(test[label])
            queries.append(rest[:QUERIES])
        yield Fold(np.concatenate(support), np.concatenate(queries))


def run_published_folds(session: Session, folder: str | os.PathLike[str], *, tuned: bool = False) -> Outcome:
    """Evaluates the folds of Point-BERT's split files, one after the other.

    Args:
        session: settings and what makes the features; its data set is not used.
        folder: the folder of all settings, or of one.
        tuned: fine-tune the encoder on every fold, as the published figures do.

    Raises:
        PointCloudError: there are no folds, or one is damaged; the message names it.
    """
    way_of_scoring = score_tuned if tuned else _score
    rows = []
    for (way, shot), files in find_folds(Path(folder)).items():
        scores = []
        for file in files:
            fold = session.fold(load_fold(file))
            scores.append(way_of_scoring(fold, Fold(fold.dataset.where("train"), fold.dataset.where("test"))))
            session.feature_seconds += fold.feature_seconds
        rows.append(_row(way, shot, scores))
    settings: dict[str, Any] = {
        **(describe_tuning(session) if tuned else {"classifier": _CLASSIFIER}),
        "queries": "as in the files",
        "deviation": "numpy.std over folds (divided by their number)",
    }
    if not tuned:
        settings["note"] = "the published figures on these files are fine-tuned, not frozen"
    return Outcome(_metrics(rows), rows, settings)


def fit_few(train_nE: Features, train_n: Labels, test_mE: Features, test_m: Labels) -> float:
    """Fits the few-shot classifier on the support and returns its accuracy on the queries."""
    sklearn = import_sklearn()
    scaler = sklearn["StandardScaler"]().fit(train_nE)
    machine = sklearn["SVC"](kernel="linear", C=1.0).fit(scaler.transform(train_nE), train_n)
    return float(machine.score(scaler.transform(test_mE), test_m))


def _score(session: Session, fold: Fold) -> float:
    return fit_few(
        session.features(fold.support_n), session.labels(fold.support_n),
        session.features(fold.queries_m), session.labels(fold.queries_m),
    )  # fmt: skip


def _by_class(session: Session, places_n: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    labels_n = session.labels(places_n)
    return {int(label): places_n[labels_n == label] for label in np.unique(labels_n)}


def _row(way: int, shot: int, scores: list[float]) -> dict[str, Any]:
    return {
        "way": way,
        "shot": shot,
        "folds": len(scores),
        "mean": float(np.mean(scores)),
        "deviation": float(np.std(scores)),
        "lowest": min(scores),
        "highest": max(scores),
    }


def _metrics(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {
        f"{row['way']}w{row['shot']}s{suffix}": row[key]
        for row in rows
        for key, suffix in (("mean", ""), ("deviation", "_deviation"))
    }
