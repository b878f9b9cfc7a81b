"""Linear probe of frozen features per point: how well a linear classifier tells the parts of shapes.

N points, M sampled points, E encoder width, P parts of a class, R ridges, X = E + 1
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crossjepa.batching import with_progress
from crossjepa.datasets.part_metrics import shape_iou
from crossjepa.datasets.splits import Partition
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.features import EncoderFeatures
from crossjepa.evaluate.segmentation import parts_outcome
from crossjepa.result import Outcome

# Points of every shape on which the classifier is fitted; all are classified.
POINTS = 256
# Regularization, as a share of the mean variance of a standardized channel.
RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
FOLDS = 5
_SAMPLE, _FOLD = 1, 2

Floats = NDArray[np.float64]
Parts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Moments:
    """What ridge regression needs to know of some points.

    Attributes:
        gram_XX: (E + 1, E + 1) products of the standardized features and a constant.
        target_XP: (E + 1, P) their products with one column per part, 1 for the points of that part, else 0.
        count: number of points.
    """

    gram_XX: Floats
    target_XP: Floats
    count: int

    @classmethod
    def of(cls, features_NX: Floats, parts_N: Parts, parts_P: Parts) -> Moments:
        """Sums up points."""
        target_NP = (parts_N[:, None] == parts_P).astype(np.float64)
        return cls(features_NX.T @ features_NX, features_NX.T @ target_NP, len(parts_N))

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.gram_XX + other.gram_XX, self.target_XP + other.target_XP, self.count + other.count
        )

    def __sub__(self, other: Moments) -> Moments:
        return Moments(
            self.gram_XX - other.gram_XX, self.target_XP - other.target_XP, self.count - other.count
        )

    def solve(self, ridge: float) -> Floats:
        """Returns the (E + 1, P) weights; the constant is not regularized."""
        penalty_X = np.full(len(self.gram_XX), ridge * self.count)
        penalty_X[-1] = 1e-9 * self.count
        return np.asarray(np.linalg.solve(self.gram_XX + np.diag(penalty_X), self.target_XP), np.float64)


@dataclass(frozen=True, eq=False)
class ClassFit:
    """The classifier of one class of shapes, up to its regularization.

    Attributes:
        parts_P: (P,) the parts of the class.
        mean_E: (E,) mean of the features that it was fitted on.
        scale_E: (E,) their standard deviation.
        moments: of all points that it was fitted on.
        validation_SR: (S, R) IoU of every shape it was fitted on, by every ridge, fitted on other shapes.
    """

    parts_P: Parts
    mean_E: Floats
    scale_E: Floats
    moments: Moments
    validation_SR: Floats

    def predict(self, features_NE: NDArray[np.float32], ridge: float) -> Parts:
        """Returns the (N,) parts of the points of a shape of this class."""
        scores_NP = _standardized(features_NE, self.mean_E, self.scale_E) @ self.moments.solve(ridge)
        return np.asarray(self.parts_P[scores_NP.argmax(axis=1)])


def run_part_probe(context: EvaluationContext) -> Outcome:
    """Fits a linear classifier of parts for every class of shapes, on frozen features of points.

    The class of a shape is known, as in all published figures on ShapeNetPart (Yi et al. 2016, "A scalable
    active framework for region annotation in 3D shape collections"; the metric as in PointNet, Qi et al.
    2017, arXiv 1612.00593): mean IoU over the parts of the class, averaged over shapes or classes. Linear
    probes are those of Alain and Bengio 2016, arXiv 1610.01644. The classifier is ridge regression to one
    column per part, in closed form; one ridge for all classes, by cross-validation over the shapes that are
    fitted on.

    Args:
        context: shapes with part labels, and an encoder.

    Returns:
        Metrics `instance_miou`, `class_miou` and `accuracy`, and one row per class.

    Raises:
        ValueError: the data set has no part labels, or the features are not those of an encoder.
    """
    dataset = context.dataset
    if not dataset.part_names:
        raise ValueError(f"{dataset.name} has no part labels")
    partitions = context.learnable()
    by_class = [(partition, label) for partition in partitions for label in _classes(context, partition)]
    features = _SampledFeatures(context)
    fits: dict[tuple[str, int], ClassFit] = {}
    for partition, label in sorted(by_class, key=lambda each: each[1]):
        features.keep(label)
        train_n = partition.train_n[context.labels(partition.train_n) == label]
        shapes = [features[int(place)] for place in train_n]
        fits[partition.name, label] = fit_class(shapes, dataset.class_parts[label], context.seed)
    predictions, truths, labels, ridges = [], [], [], []
    for partition in partitions:
        validation_SR = np.concatenate(
            [fit.validation_SR for (name, _), fit in fits.items() if name == partition.name]
        )
        ridges.append(RIDGES[int(validation_SR.mean(axis=0).argmax())] if len(validation_SR) else RIDGES[-1])
        for place in with_progress(partition.test_m.tolist(), 50, context.progress, "parts", unit="shape"):
            features_NE, parts_N = features.all_points(place)
            label = int(dataset.labels_n[place])
            predictions.append(fits[partition.name, label].predict(features_NE, ridges[-1]))
            truths.append(parts_N)
            labels.append(label)
    context.feature_seconds += features.seconds
    outcome = parts_outcome(dataset, predictions, truths, labels)
    settings = {
        "classifier": "ridge regression, one per class, on standardized features of points",
        "fitted on": f"{POINTS} points of every shape",
        "ridge": {partition.name: ridge for partition, ridge in zip(partitions, ridges, strict=True)},
        "chosen by": f"mean IoU in cross-validation over shapes, {FOLDS} folds, among {list(RIDGES)}",
    }
    return replace(outcome, settings={**settings, **outcome.settings})


def fit_class(shapes: list[tuple[NDArray[np.float32], Parts]], parts: tuple[int, ...], seed: int) -> ClassFit:
    """Fits the classifier of one class of shapes, and validates every ridge.

    Args:
        shapes: (M, E) features of points and their (M,) parts, for every shape.
        parts: the parts of the class.
        seed: seed of the folds.
    """
    every_NE = np.concatenate([features_ME for features_ME, _ in shapes]).astype(np.float64)
    mean_E, scale_E = every_NE.mean(axis=0), every_NE.std(axis=0) + 1e-6
    parts_P = np.array(parts, np.int64)
    ready = [(_standardized(features_ME, mean_E, scale_E), parts_M) for features_ME, parts_M in shapes]
    each = [Moments.of(features_MX, parts_M, parts_P) for features_MX, parts_M in ready]
    total = _sum(each)
    fold_S = np.random.default_rng([seed, _FOLD]).permutation(len(shapes)) % FOLDS
    scores = []
    for fold in range(FOLDS if len(shapes) > 1 else 0):
        own = np.flatnonzero(fold_S == fold).tolist()
        if not own:
            continue
        others = total - _sum([each[shape] for shape in own])
        weights = [others.solve(ridge) for ridge in RIDGES]
        for shape in own:
            features_MX, parts_M = ready[shape]
            found = (parts_P[(features_MX @ weights_XP).argmax(axis=1)] for weights_XP in weights)
            scores.append([shape_iou(found_M, parts_M, parts) for found_M in found])
    return ClassFit(parts_P, mean_E, scale_E, total, np.array(scores, np.float64).reshape(-1, len(RIDGES)))


class _SampledFeatures:
    """Features of points, computed for all, and kept for some of each shape as long as its class is at work.

    Args:
        context: data and encoder.
    """

    def __init__(self, context: EvaluationContext) -> None:
        if not isinstance(context.extractor, EncoderFeatures):
            raise ValueError(f"{context.extractor.name} has no features of points; take an encoder")
        self.encoder, self.context, self.seconds = context.extractor.encoder, context, 0.0
        self.label, self.kept = -1, dict[int, tuple[NDArray[np.float32], Parts]]()

    def keep(self, label: int) -> None:
        """Forgets all shapes but those of a class."""
        if label != self.label:
            self.label, self.kept = label, {}

    def __getitem__(self, place: int) -> tuple[NDArray[np.float32], Parts]:
        """Returns the (M, E) features of some points of a shape, always the same, and their (M,) parts."""
        if place not in self.kept:
            features_NE, parts_N = self.all_points(place)
            row = int(self.context.dataset.indices_n[place])
            rng = np.random.default_rng([self.context.seed, _SAMPLE, row])
            chosen_M = rng.permutation(len(parts_N))[:POINTS]
            self.kept[place] = features_NE[chosen_M], parts_N[chosen_M]
        return self.kept[place]

    def all_points(self, place: int) -> tuple[NDArray[np.float32], Parts]:
        """Returns the (N, E) features of all points of a shape, and their (N,) parts."""
        sample, dataset = self.context.dataset[place], self.context.dataset
        if sample.parts_N is None:
            raise ValueError(f"{sample.name} has no part labels")
        start = time.perf_counter()
        features_NE = self.encoder.encode_points(sample.points_N3, up_axis=dataset.up_axis)
        self.seconds += time.perf_counter() - start
        return features_NE, np.asarray(sample.parts_N, np.int64)


def _classes(context: EvaluationContext, partition: Partition) -> Iterator[int]:
    return iter(np.unique(context.labels(partition.train_n)).tolist())


def _standardized(features_NE: NDArray[np.float32], mean_E: Floats, scale_E: Floats) -> Floats:
    """Returns (N, E + 1) standardized features and a constant."""
    return np.concatenate([(features_NE - mean_E) / scale_E, np.ones((len(features_NE), 1))], axis=1)


def _sum(moments: list[Moments]) -> Moments:
    total = moments[0]
    for each in moments[1:]:
        total = total + each
    return total
