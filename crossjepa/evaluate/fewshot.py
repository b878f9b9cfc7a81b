"""Few-shot classification from K labeled clouds of each of N classes, over folds that are drawn or published.

n support clouds, m queries, E embedding width
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.datasets import find_folds, load_fold
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.linear import import_sklearn
from crossjepa.result import Outcome

SETTINGS = ((5, 10), (5, 20), (10, 10), (10, 20))
QUERIES = 20
_DEVIATION = "numpy.std over folds (divided by their number)"


@dataclass(frozen=True, eq=False)
class Fold:
    """One choice of classes, support and queries.

    Attributes:
        support_n: places of the labeled clouds.
        queries_m: places of the clouds to classify.
    """

    support_n: NDArray[np.int64]
    queries_m: NDArray[np.int64]


@dataclass(frozen=True)
class Scorer:
    """How a fold is learned and scored.

    Attributes:
        describe: says what is done, for the settings of the result.
        score: returns the accuracy on the queries of a fold.
        note: what else to say about published folds.
    """

    describe: Callable[[EvaluationContext], dict[str, Any]]
    score: Callable[[EvaluationContext, Fold], float]
    note: str = ""


def score_svm(context: EvaluationContext, fold: Fold) -> float:
    """Fits an SVM to the frozen features of the support and returns its accuracy on the queries."""
    sklearn = import_sklearn()
    support_nE, queries_mE = context.features(fold.support_n), context.features(fold.queries_m)
    scaler = sklearn.preprocessing.StandardScaler().fit(support_nE)
    machine = sklearn.svm.SVC(kernel="linear", C=1.0)
    machine.fit(scaler.transform(support_nE), context.labels(fold.support_n))
    return float(machine.score(scaler.transform(queries_mE), context.labels(fold.queries_m)))


FROZEN_SVM = Scorer(
    lambda context: {"classifier": "StandardScaler fitted on the support, SVC(linear, C=1), raw predictions"},
    score_svm,
    "the published figures on these files are fine-tuned, not frozen",
)


def run_fewshot(
    context: EvaluationContext,
    *,
    folds: int = 10,
    settings: Sequence[tuple[int, int]] = SETTINGS,
    queries_from_train: bool = False,
    scorer: Scorer = FROZEN_SVM,
) -> Outcome:
    """Classifies queries by K labeled clouds of each of N classes, over seeded folds.

    Args:
        context: data and features; only its first division is used.
        folds: number of folds per setting.
        settings: pairs of N and K.
        queries_from_train: draw queries from the training split, as CrossPoint does, not from the test split.
        scorer: how a fold is learned and scored.

    Raises:
        ValueError: the data set is too small for every setting, or there is nothing to fine-tune.
    """
    rows, skipped = [], []
    for way, shot in settings:
        try:
            drawn = list(draw_folds(context, way, shot, folds, queries_from_train))
        except ValueError as error:
            skipped.append(f"{way}-way {shot}-shot: {error}")
            continue
        rows.append(_row(way, shot, [scorer.score(context, fold) for fold in drawn]))
    if not rows:
        raise ValueError(f"{context.dataset.name} is too small for few-shot folds: {'; '.join(skipped)}")
    source = "the training split" if queries_from_train else "the test split"
    chosen: dict[str, Any] = {
        **scorer.describe(context),
        "queries": f"{QUERIES} per class, from {source}",
        "deviation": _DEVIATION,
    }
    return Outcome(_metrics(rows), rows, {**chosen, "skipped": skipped} if skipped else chosen)


def draw_folds(
    context: EvaluationContext, way: int, shot: int, folds: int, queries_from_train: bool = False
) -> Iterator[Fold]:
    """Draws folds that depend only on seed, setting and number.

    Args:
        context: data, its division and seed.
        way: classes of a fold.
        shot: labeled clouds of each class.
        folds: how many.
        queries_from_train: whether queries come from the training split.

    Raises:
        ValueError: too few classes have enough clouds.
    """
    partition = context.learnable()[0]
    train = _by_class(context, partition.train_n)
    test = train if queries_from_train else _by_class(context, partition.test_m)
    needed = shot + QUERIES if queries_from_train else shot
    classes = [label for label in train if len(train[label]) >= needed and len(test[label]) >= QUERIES]
    if len(classes) < way:
        raise ValueError(f"{len(classes)} classes have enough clouds, {way} are needed")
    for fold in range(folds):
        generator = np.random.default_rng([context.seed, way, shot, fold])
        support, queries = [], []
        for label in generator.choice(classes, way, replace=False).tolist():
            shuffled = generator.permutation(train[label])
            support.append(shuffled[:shot])
            rest = shuffled[shot:] if queries_from_train else generator.permutation(test[label])
            queries.append(rest[:QUERIES])
        yield Fold(np.concatenate(support), np.concatenate(queries))


def run_published_folds(
    context: EvaluationContext, folder: str | os.PathLike[str], *, scorer: Scorer = FROZEN_SVM
) -> Outcome:
    """Evaluates the folds of Point-BERT's split files, one after the other.

    Args:
        context: settings and what makes the features; its data set is not used.
        folder: the folder of all settings, or of one.
        scorer: how a fold is learned and scored; the published figures are fine-tuned.

    Raises:
        PointCloudError: there are no folds, or one is damaged; the message names it.
    """
    rows = []
    for (way, shot), files in find_folds(Path(folder)).items():
        scores = []
        for file in files:
            fold = context.fold(load_fold(file))
            places = Fold(fold.dataset.where("train"), fold.dataset.where("test"))
            scores.append(scorer.score(fold, places))
            context.feature_seconds += fold.feature_seconds
        rows.append(_row(way, shot, scores))
    settings: dict[str, Any] = {
        **scorer.describe(context),
        "queries": "as in the files",
        "deviation": _DEVIATION,
        **({"note": scorer.note} if scorer.note else {}),
    }
    return Outcome(_metrics(rows), rows, settings)


def _by_class(context: EvaluationContext, places_n: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    labels_n = context.labels(places_n)
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
