"""Part segmentation: intersection over union, averaged over shapes and over classes.

N points, P parts of the complete data set
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Parts = NDArray[np.integer]


@dataclass(frozen=True)
class PartScores:
    """Scores of a part segmentation.

    Attributes:
        instance_miou: mean over shapes ("instance mIoU", "Inst. mIoU").
        class_miou: mean over classes of the mean over their shapes ("Cls. mIoU").
        accuracy: share of points with the right part.
        by_class: mean over the shapes of every class, by its number.
        by_shape: mIoU of every shape, in their order.
    """

    instance_miou: float
    class_miou: float
    accuracy: float
    by_class: dict[int, float] = field(default_factory=dict)
    by_shape: tuple[float, ...] = ()

    @property
    def shapes(self) -> int:
        """Number of shapes."""
        return len(self.by_shape)


def shape_iou(predicted_N: Parts, truth_N: Parts, parts: Sequence[int]) -> float:
    """Mean over the parts of a class of the intersection over union, for one shape.

    A part that is neither present nor predicted counts as 1, as in all published figures since PointNet.

    Args:
        predicted_N: (N,) predicted parts.
        truth_N: (N,) true parts.
        parts: all parts of the shape's class.

    Raises:
        ValueError: the lengths differ, the class has no parts, or a true part does not belong to the class.
    """
    if len(predicted_N) != len(truth_N):
        raise ValueError(f"{len(predicted_N)} predicted parts for {len(truth_N)} points")
    if not len(parts):
        raise ValueError("the class has no parts")
    strange = sorted(set(np.unique(truth_N).tolist()) - set(parts))
    if strange:
        raise ValueError(f"true parts {strange} do not belong to the class, which has {list(parts)}")
    scores = []
    for part in parts:
        found_N, true_N = predicted_N == part, truth_N == part
        union = int((found_N | true_N).sum())
        scores.append(int((found_N & true_N).sum()) / union if union else 1.0)
    return float(np.mean(scores))


def part_scores(
    predictions: Iterable[Parts],
    truths: Iterable[Parts],
    labels: Iterable[int],
    class_parts: Mapping[int, Sequence[int]],
) -> PartScores:
    """Scores the predictions of many shapes.

    Args:
        predictions: (N_i,) predicted parts of every shape.
        truths: (N_i,) true parts.
        labels: class of every shape.
        class_parts: parts of every class.

    Raises:
        ValueError: there are no shapes, or as `shape_iou`.
    """
    scores: dict[int, list[float]] = {}
    by_shape: list[float] = []
    right = total = 0
    for predicted_N, truth_N, label in zip(predictions, truths, labels, strict=True):
        by_shape.append(shape_iou(predicted_N, truth_N, class_parts.get(label, ())))
        scores.setdefault(label, []).append(by_shape[-1])
        right += int((predicted_N == truth_N).sum())
        total += len(truth_N)
    if not scores:
        raise ValueError("no shapes to score")
    by_class = {label: float(np.mean(values)) for label, values in sorted(scores.items())}
    everything = [score for values in scores.values() for score in values]
    return PartScores(
        instance_miou=float(np.mean(everything)),
        class_miou=float(np.mean(list(by_class.values()))),
        accuracy=right / total,
        by_class=by_class,
        by_shape=tuple(by_shape),
    )


def most_likely_parts(scores_NP: NDArray[np.floating], parts: Sequence[int]) -> NDArray[np.int64]:
    """Returns the (N,) best parts of the shape's own class, which the field's protocol takes as known.

    Args:
        scores_NP: (N, P) scores of all parts.
        parts: parts of the class.
    """
    allowed = np.asarray(parts, np.int64)
    return np.asarray(allowed[scores_NP[:, allowed].argmax(axis=1)])
