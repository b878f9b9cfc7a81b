"""What a run leaves for people: figures by class, a confusion matrix and pictures.

n test clouds, K classes
"""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crossjepa.batching import batch_starts
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.result import Outcome
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.tasks import score_parts

logger = logging.getLogger(__name__)

BATCH = 32


def measure(
    encoder: CrossJEPAEncoder, clouds: LabeledClouds, votes: int, folder: Path, progress: bool | None
) -> Outcome:
    """Tests a fine-tuned model once, by the same code that answers `predict`.

    Args:
        encoder: the model.
        clouds: the test part.
        votes: passes; with more than one, figures of the vote stand beside those of a single pass.
        folder: where confusion.csv and, where matplotlib is installed, confusion.png go.
        progress: show a progress bar.

    Returns:
        Figures, and a row a class.
    """
    if encoder.part_names:
        return _test_parts(encoder, clouds, votes, progress)
    return _test_classes(encoder, clouds, votes, folder, progress)


def _test_classes(
    encoder: CrossJEPAEncoder, clouds: LabeledClouds, votes: int, folder: Path, progress: bool | None
) -> Outcome:
    metrics: dict[str, float] = {}
    truth_n = clouds.labels_n.numpy()
    single_n = _classify(encoder, clouds, 1, progress)
    confusion_KK = confusion_matrix(truth_n, single_n, len(encoder.classes))
    recalls_K = np.diag(confusion_KK) / np.maximum(confusion_KK.sum(axis=1), 1)
    metrics["accuracy"] = float((single_n == truth_n).mean())
    metrics["balanced_accuracy"] = float(recalls_K[confusion_KK.sum(axis=1) > 0].mean())
    if votes > 1:
        metrics[f"accuracy_{votes}_votes"] = float(
            (_classify(encoder, clouds, votes, progress) == truth_n).mean()
        )
    write_confusion(folder, confusion_KK, encoder.classes)
    return Outcome(metrics, _class_rows(confusion_KK, encoder.classes))


def _classify(
    encoder: CrossJEPAEncoder, clouds: LabeledClouds, votes: int, progress: bool | None
) -> NDArray[np.int64]:
    probabilities_nK = encoder.predict_proba(
        clouds.prepared(), votes=votes, batch_size=BATCH, progress=progress
    )
    return np.asarray(probabilities_nK.argmax(axis=1))


def _class_rows(confusion_KK: NDArray[np.int64], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for number, name in enumerate(classes):
        row_K = confusion_KK[number]
        others_K = np.where(np.arange(len(row_K)) == number, 0, row_K)
        most = int(others_K.argmax())
        rows.append(
            {
                "class": name,
                "test": int(row_K.sum()),
                "right": int(row_K[number]),
                "recall": float(row_K[number] / row_K.sum()) if row_K.sum() else float("nan"),
                "mistaken for": f"{classes[most]} ({others_K[most]})" if others_K[most] else "",
            }
        )
    return [row for row in rows if row["test"]]


def _test_parts(
    encoder: CrossJEPAEncoder, clouds: LabeledClouds, votes: int, progress: bool | None
) -> Outcome:
    metrics: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    labels, prepared = clouds.labels_n.tolist(), clouds.prepared()
    for passes in sorted({1, votes}):
        predicted = [
            torch.from_numpy(
                encoder.predict_parts(prepared[place], encoder.classes[labels[place]], votes=passes).parts_N
            )
            for place in batch_starts(len(clouds), 1, progress, "test")
        ]
        scores = score_parts(encoder, predicted, clouds)
        ending = "" if passes == 1 else f"_{passes}_votes"
        metrics[f"instance_miou{ending}"] = scores.instance_miou
        metrics[f"class_miou{ending}"] = scores.class_miou
        metrics[f"accuracy{ending}"] = scores.accuracy
        if passes == 1:
            rows = [
                {"class": encoder.classes[label], "test": labels.count(label), "miou": miou}
                for label, miou in scores.by_class.items()
            ]
    settings = {
        "class": "known, as in the field's protocol: only its own parts compete",
        "absent parts": "a part neither there nor predicted counts 1",
        "points": "all original points of a cloud",
    }
    return Outcome(metrics, rows, settings)


def confusion_matrix(
    truth_n: NDArray[np.int64], predicted_n: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Counts (truth, prediction) pairs: (K, K) int64, a row a true class."""
    return np.bincount(truth_n * count + predicted_n, minlength=count**2).reshape(count, count)


def write_confusion(folder: Path, confusion_KK: NDArray[np.int64], classes: tuple[str, ...]) -> None:
    """Writes confusion.csv and, where matplotlib is installed, confusion.png; otherwise says so."""
    with (folder / "confusion.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["true class", *classes])
        writer.writerows([name, *row] for name, row in zip(classes, confusion_KK.tolist(), strict=True))
    try:
        _draw_confusion(folder / "confusion.png", confusion_KK, classes)
    except ImportError:
        logger.warning("no confusion.png: matplotlib is not installed (pip install 'crossjepa[log]')")


def _draw_confusion(path: Path, confusion_KK: NDArray[np.int64], classes: tuple[str, ...]) -> None:
    from matplotlib.figure import Figure

    count = len(classes)
    side = min(4 + 0.3 * count, 24)
    figure = Figure(figsize=(side, side), layout="constrained")
    panel = figure.add_subplot()
    shares_KK = confusion_KK / np.maximum(confusion_KK.sum(axis=1, keepdims=True), 1)
    panel.imshow(shares_KK, cmap="Blues", vmin=0, vmax=1)
    panel.set_xticks(range(count), classes, rotation=90, fontsize=7)
    panel.set_yticks(range(count), classes, fontsize=7)
    panel.set_xlabel("predicted")
    panel.set_ylabel("true")
    for row, column in zip(*np.nonzero(confusion_KK), strict=True):
        color = "white" if shares_KK[row, column] > 0.5 else "black"
        text = str(confusion_KK[row, column])
        panel.text(column, row, text, ha="center", va="center", fontsize=6, color=color)
    figure.savefig(path, dpi=110)
