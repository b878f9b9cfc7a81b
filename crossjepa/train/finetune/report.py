"""What a run leaves for people: tables of the classes and of the test clouds, and a confusion matrix.

n test clouds, K classes
"""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.result import Predictions

PREDICTION_COLUMNS = ("row", "file", "true class", "predicted class", "score")
logger = logging.getLogger(__name__)


def confusion_matrix(
    truth_n: NDArray[np.int64], predicted_n: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Counts (truth, prediction) pairs: (K, K) int64, one row per true class."""
    return np.bincount(truth_n * count + predicted_n, minlength=count**2).reshape(count, count)


def class_rows(confusion_KK: NDArray[np.int64], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Returns one row per class that was tested: its recall, and what it is most often mistaken for."""
    rows = []
    for number, name in enumerate(classes):
        row_K = confusion_KK[number]
        if not row_K.sum():
            continue
        others_K = np.where(np.arange(len(row_K)) == number, 0, row_K)
        most = int(others_K.argmax())
        rows.append(
            {
                "class": name,
                "test": int(row_K.sum()),
                "right": int(row_K[number]),
                "recall": float(row_K[number] / row_K.sum()),
                "mistaken for": f"{classes[most]} ({others_K[most]})" if others_K[most] else "",
            }
        )
    return rows


def write_confusion(folder: Path, confusion_KK: NDArray[np.int64], classes: tuple[str, ...]) -> None:
    """Writes confusion.csv and, if matplotlib is installed, confusion.png; otherwise says so."""
    with (folder / "confusion.csv").open(
        "w", newline="", encoding="utf-8", errors="backslashreplace"
    ) as file:
        writer = csv.writer(file)
        writer.writerow(["true class", *classes])
        writer.writerows([name, *row] for name, row in zip(classes, confusion_KK.tolist(), strict=True))
    try:
        _draw_confusion(folder / "confusion.png", confusion_KK, classes)
    except ImportError:
        logger.warning("no confusion.png: matplotlib is not installed (pip install 'crossjepa[log]')")


def write_predictions(path: Path, predictions: Predictions, names: Sequence[str]) -> None:
    """Writes what was said of every test cloud: its row and name, truth, prediction, score."""
    classes, scores_n = predictions.classes, predictions.scores_n
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(PREDICTION_COLUMNS)
        for place, row in enumerate(predictions.rows_n.tolist()):
            truth, found = predictions.truth_n[place], predictions.predicted_n[place]
            score = "" if scores_n is None else f"{scores_n[place]:.6g}"
            writer.writerow([row, names[place], classes[truth], classes[found], score])


def read_predictions(path: Path, classes: Sequence[str]) -> Predictions:
    """Reads what `write_predictions` wrote.

    Args:
        path: the file.
        classes: names of the classes.

    Raises:
        ValueError: it is another file, or names other classes.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    numbers = {name.encode("utf-8", "backslashreplace").decode(): row for row, name in enumerate(classes)}
    try:
        rows_n, truth_n, predicted_n = (
            np.array([convert(row[column]) for row in rows], np.int64)
            for column, convert in (
                ("row", int), ("true class", numbers.__getitem__), ("predicted class", numbers.__getitem__)
            )
        )  # fmt: skip
        scores_n = np.array([float(row["score"] or "nan") for row in rows])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}: no predictions of these classes ({error})") from error
    return Predictions(rows_n, truth_n, predicted_n, tuple(classes), scores_n)


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
