"""Part segmentation of a whole data set, with any model.

N points
"""

from collections.abc import Callable, Sequence

import numpy as np

from crossjepa.datasets import Dataset, Sample
from crossjepa.datasets.part_metrics import Parts, part_scores
from crossjepa.result import Outcome


def evaluate_parts(predict: Callable[[Sample], Parts], dataset: Dataset) -> Outcome:
    """Segments every shape of a data set with any model, and scores it.

    Args:
        predict: returns the (N,) parts of a sample's points; it may use the class, but not the parts.
        dataset: shapes with part labels, usually the subset "test".

    Returns:
        Metrics `instance_miou`, `class_miou` and `accuracy`, and one row per class.

    Raises:
        ValueError: the data set has no part labels.
    """
    if not dataset.part_names:
        raise ValueError(f"{dataset.name} has no part labels")
    predictions, truths = [], []
    for sample in dataset:
        if sample.parts_N is None:
            raise ValueError(f"{sample.name} has no part labels")
        predictions.append(np.asarray(predict(sample)))
        truths.append(sample.parts_N)
    return parts_outcome(dataset, predictions, truths, dataset.labels_n.tolist())


def parts_outcome(
    dataset: Dataset, predictions: Sequence[Parts], truths: Sequence[Parts], labels: Sequence[int]
) -> Outcome:
    """Scores the (N,) predicted parts of some shapes of a data set; see `evaluate_parts` for the result."""
    scores = part_scores(predictions, truths, labels, dataset.class_parts)
    rows = [
        {"class": dataset.classes[label], "shapes": labels.count(label), "miou": miou}
        for label, miou in scores.by_class.items()
    ]
    metrics = {
        "instance_miou": scores.instance_miou,
        "class_miou": scores.class_miou,
        "accuracy": scores.accuracy,
    }
    return Outcome(metrics, rows, {"absent parts": "a part neither present nor predicted counts as 1"})
