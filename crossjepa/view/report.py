"""Reports of fine-tuning runs and evaluations: one page with figures, curves, confusions and mistakes.

n test clouds, N points, K classes
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa._version import __version__
from crossjepa.datasets import Dataset
from crossjepa.model_files import read_config
from crossjepa.processor import rotate_up_axis, unit_sphere
from crossjepa.result import Predictions, Result
from crossjepa.train.common.loggers import read_log
from crossjepa.train.finetune.report import confusion_matrix, read_predictions
from crossjepa.train.finetune.run import PREDICTIONS_NAME, RESULT_NAME
from crossjepa.train.render.camera import View
from crossjepa.train.render.dots import framed, render_dots
from crossjepa.view.charts import confusion_chart, curves_charts
from crossjepa.view.html import picture, text, write_html
from crossjepa.view.intervals import Interval, bootstrap_balanced, bootstrap_mean, wilson

REPORT_NAME = "report.html"
MOST_PICTURES, PICTURE_SIZE = 24, 150
# More classes would make a matrix that nobody can read; the table of classes has them all.
MOST_CLASSES = 60


def write_finetune_report(folder: str | os.PathLike[str], dataset: Dataset) -> Path:
    """Writes report.html into the folder of a fine-tuning run that has ended.

    Args:
        folder: the folder.
        dataset: the data set of the run, as `FinetuneRun.dataset`; pictures of mistakes come from it.

    Returns:
        The page.

    Raises:
        FileNotFoundError: the run has not ended.
        ImportError: matplotlib is missing; install `crossjepa[view]`.
    """
    folder = Path(folder)
    result = Result(**json.loads((folder / RESULT_NAME).read_text(encoding="utf-8")))
    head = read_config(folder).head
    if head and (folder / PREDICTIONS_NAME).is_file():
        result = replace(result, predictions=read_predictions(folder / PREDICTIONS_NAME, head.classes))
    write_report(folder / REPORT_NAME, result, dataset=dataset, log=read_log(folder))
    return folder / REPORT_NAME


def write_report(
    path: str | os.PathLike[str],
    result: Result,
    *,
    dataset: Dataset | None = None,
    log: Sequence[Mapping[str, float]] = (),
    title: str = "",
) -> None:
    """Writes a page about a result.

    Args:
        path: the HTML file.
        result: the result, with its predictions if the protocol makes any.
        dataset: the data set that it was tested on, for pictures of the mistakes.
        log: lines of the log of a fine-tuning run, for its curves.
        title: heading of the page; by default protocol and data set.

    Raises:
        ImportError: matplotlib is missing; install `crossjepa[view]`.

    Example:
        >>> dataset = crossjepa.datasets.load("folder", "shapes")
        >>> encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
        >>> result = crossjepa.evaluate.evaluate("knn", dataset, encoder)
        >>> write_report("report.html", result, dataset=dataset)
    """
    title = title or f"{result.protocol}: {result.data.get('name', result.data.get('data', 'data'))}"
    parts = [
        f"<header><h1>{text(title)}</h1><p class='lead'>{text(result.description)}</p></header>",
        _tiles(result),
        _curves(result, log),
        _mistakes(result, dataset),
        _confusion(result),
        _table("Results in detail", result.table),
        *(
            _facts(name, values)
            for name, values in (
                ("Model", result.model), ("Data", result.data), ("Settings", result.settings),
                ("Versions", result.versions),
            )
        ),
        f"<footer>Seed {result.seed}. Made by crossjepa {__version__}.</footer>",
    ]  # fmt: skip
    write_html(path, title, "\n".join(filter(None, parts)))


def metric_intervals(result: Result) -> dict[str, Interval]:
    """Returns the confidence intervals of those metrics that predictions of single clouds allow.

    Args:
        result: a result with predictions.

    Returns:
        An interval for each such metric; none without predictions.
    """
    found, intervals = result.predictions, dict[str, Interval]()
    if found is None or not len(found.rows_n):
        return {}
    if "instance_miou" in result.metrics:  # its accuracy is one of points, which are not independent
        return {} if found.scores_n is None else {"instance_miou": bootstrap_mean(found.scores_n)}
    right_n = found.truth_n == found.predicted_n
    for name, value in result.metrics.items():
        if name == "accuracy" or (name.startswith("accuracy_") and name.endswith("_votes")):
            intervals[name] = wilson(round(value * len(right_n)), len(right_n))
        elif name == "validation_accuracy" and result.data.get("validation"):
            total = int(result.data["validation"])
            intervals[name] = wilson(round(value * total), total)
        elif name == "balanced_accuracy":
            total_K = np.bincount(found.truth_n, minlength=len(found.classes))
            right_K = np.bincount(found.truth_n[right_n], minlength=len(found.classes))
            intervals[name] = bootstrap_balanced(right_K, total_K)
    return intervals


def _tiles(result: Result) -> str:
    intervals, tiles = metric_intervals(result), []
    for name, value in result.metrics.items():
        shown, note = _percent(value), ""
        if name in intervals:
            interval = intervals[name]
            note = f"{_percent(interval.low)} to {_percent(interval.high)}<br>{text(interval.method)}"
            if interval.low == interval.high:
                note = "no interval: a bootstrap needs both right and wrong answers"
        what = text(name.replace("_", " "))
        tiles.append(
            f"<div class='tile'><div class='what'>{what}</div><div class='value'>{shown}</div>"
            f"<div class='what'>{note}</div></div>"
        )
    return f"<div class='tiles'>{''.join(tiles)}</div>"


def _curves(result: Result, log: Sequence[Mapping[str, float]]) -> str:
    if not log:
        return ""
    best = result.settings.get("best epoch")
    note = "The loss of training is that of augmented clouds"
    if result.settings.get("label_smoothing"):
        note += " with label smoothing, so that it stays above that of validation"
    charts = "".join(f"<div class='chart'>{chart}</div>" for chart in curves_charts(log, best))
    return (
        f"<h2>Curves</h2><div class='charts'>{charts}</div>"
        f"<p class='facts'>{text(note)}. The best epoch was chosen on validation clouds.</p>"
    )


def _mistakes(result: Result, dataset: Dataset | None) -> str:
    """Shows wrong clouds, the most confident mistakes first; of parts, those with the lowest mIoU."""
    found = result.predictions
    if found is None or dataset is None or not len(found.rows_n):
        return ""
    of_parts = "instance_miou" in result.metrics
    scores_n = np.zeros(len(found.rows_n)) if found.scores_n is None else np.asarray(found.scores_n)
    wrong_n = np.arange(len(scores_n)) if of_parts else np.flatnonzero(found.truth_n != found.predicted_n)
    order = wrong_n[np.argsort(scores_n[wrong_n] if of_parts else -scores_n[wrong_n], kind="stable")]
    shots = "".join(_shot(found, place, dataset, of_parts) for place in order[:MOST_PICTURES].tolist())
    if of_parts:
        return f"<h2>Lowest mIoU</h2><div class='shots'>{shots}</div>"
    if not len(order):
        return "<h2>Mistakes</h2><p class='facts'>None: every test cloud was named right.</p>"
    note = f"{len(order):,} of {len(scores_n):,} test clouds were named wrong"
    note += f"; here are {MOST_PICTURES}" if len(order) > MOST_PICTURES else ""
    note += ", the most confident mistakes first" if found.scores_n is not None else ""
    return f"<h2>Mistakes</h2><p class='facts'>{note}.</p><div class='shots'>{shots}</div>"


def _shot(found: Predictions, place: int, dataset: Dataset, of_parts: bool) -> str:
    sample = dataset[int(np.flatnonzero(dataset.indices_n == found.rows_n[place])[0])]
    image = picture(thumbnail(rotate_up_axis(sample.points_N3, dataset.up_axis, "y")))
    truth, named = (found.classes[numbers_n[place]] for numbers_n in (found.truth_n, found.predicted_n))
    score = float("nan") if found.scores_n is None else float(found.scores_n[place])
    if of_parts:
        said = f"{text(truth)}, mIoU {_percent(score)}"
    else:
        sure = "" if np.isnan(score) else f", {_percent(score)}"
        said = f"is <b class='good'>{text(truth)}</b><br>named <b class='bad'>{text(named)}</b>{sure}"
    return (
        f"<figure class='shot'><img src='{image}' alt='' loading='lazy'>"
        f"<figcaption>{said}<br><span class='facts'>{text(sample.name)}</span></figcaption></figure>"
    )


def thumbnail(points_N3: NDArray[np.floating], size: int = PICTURE_SIZE) -> NDArray[np.uint8]:
    """Returns a (size, size, 3) uint8 picture of a cloud as round points, y up."""
    some_N3 = np.asarray(points_N3, np.float64)[:: max(1, len(points_N3) // 2048)]
    moved_N3, view = framed(unit_sphere(some_N3).apply(some_N3), View(35, 20))
    return np.asarray(render_dots(moved_N3, [view], size=size)[0])


def _confusion(result: Result) -> str:
    found = result.predictions
    if found is None or "instance_miou" in result.metrics or not len(found.rows_n):
        return ""
    count = len(found.classes)
    confusion_KK = confusion_matrix(found.truth_n, found.predicted_n, count)
    used_K = np.flatnonzero(confusion_KK.sum(axis=0) + confusion_KK.sum(axis=1))
    if len(used_K) > MOST_CLASSES:
        return ""
    classes = [found.classes[number] for number in used_K]
    chart = confusion_chart(confusion_KK[np.ix_(used_K, used_K)], classes)
    return f"<h2>Confusion matrix</h2><div class='chart'>{chart}</div>"


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns rows as a table; classes with counts get Wilson intervals of their recall."""
    if not rows:
        return ""
    shown = []
    for row in rows:
        cells = {name: _cell(value) for name, value in row.items()}
        if {"test", "right", "recall"} <= set(row):
            found = wilson(row["right"], row["test"])
            cells["recall"] = f"{_percent(found.value)} ({_percent(found.low)} to {_percent(found.high)})"
        shown.append(cells)
    numeric = {name for name, value in rows[0].items() if isinstance(value, (int, float))}
    style = {name: " class='number'" if name in numeric else "" for name in shown[0]}
    head = "".join(f"<th{style[name]}>{text(name)}</th>" for name in shown[0])
    body = ""
    for cells in shown:
        line = "".join(f"<td{style.get(name, '')}>{text(value)}</td>" for name, value in cells.items())
        body += f"<tr>{line}</tr>"
    note = "<p class='facts'>Intervals of recall are Wilson's, 95 %.</p>" if "recall" in shown[0] else ""
    return f"<h2>{title}</h2>{note}<div class='scroll'><table><tr>{head}</tr>{body}</table></div>"


def _facts(title: str, values: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{text(name)}</td><td>{text(_cell(value))}</td></tr>" for name, value in values.items()
    )
    return f"<details><summary>{title}</summary><div class='scroll'><table>{rows}</table></div></details>"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _percent(value: float) -> str:
    """Returns fractions as percent, and what is none as it is."""
    return f"{100 * value:.1f} %" if 0 <= value <= 1 else f"{value:.4g}"
