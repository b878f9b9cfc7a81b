"""Charts of reports, as SVG that goes into a page.

K classes
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLUE, ORANGE, GRAY, INK = "#1f5fbf", "#d9730d", "#8a94a3", "#1c2430"
_STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "crossjepa", "font.family": "sans-serif", "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": GRAY, "axes.labelcolor": INK,
    "xtick.color": INK, "ytick.color": INK, "text.color": INK,
}  # fmt: skip


def curves_charts(log: Sequence[Mapping[str, float]], best_epoch: int | None = None) -> list[str]:
    """Draws the losses of training and validation on one axis, and the scores of validation on another.

    Args:
        log: lines of log.jsonl; `frozen` says in which epochs only the head learned.
        best_epoch: the epoch whose weights were kept.

    Returns:
        SVG of each chart.

    Raises:
        ImportError: matplotlib is missing; install `crossjepa[view]`.
    """
    names = dict.fromkeys(name for line in log for name in line if name.startswith("validation_"))
    colors = itertools.cycle((ORANGE, BLUE))
    scores = [(name, name.replace("_", " "), next(colors)) for name in names if name != "validation_loss"]
    charts = [_curves(log, "loss", [("loss", "training", BLUE), ("validation_loss", "validation", ORANGE)])]
    charts += [_curves(log, "score", scores)] if scores else []
    for _, panel in charts:
        _mark_phases(panel, log, best_epoch)
        panel.legend(fontsize=8, frameon=False)
    return [_svg(figure) for figure, _ in charts]


def _curves(
    log: Sequence[Mapping[str, float]], title: str, lines: Sequence[tuple[str, str, str]]
) -> tuple[Any, Any]:
    """Returns figure and axes with a curve for each name, label and color."""
    figures = _figures()
    with figures["style"](_STYLE):
        figure = figures["figure"](figsize=(5.2, 3.2), layout="constrained")
        panel = figure.add_subplot()
    for name, label, color in lines:
        pairs = [(line["step"], line[name]) for line in log if name in line]
        if pairs:
            panel.plot(*zip(*pairs, strict=True), color=color, linewidth=1.6, label=label)
    panel.set_xlabel("epoch")
    panel.set_title(title, fontsize=10, loc="left")
    panel.grid(axis="y", color="#e6eaf0", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.locator_params(axis="x", integer=True)
    return figure, panel


def _mark_phases(panel: Any, log: Sequence[Mapping[str, float]], best_epoch: int | None) -> None:
    frozen = [line["step"] for line in log if line.get("frozen")]
    if frozen and len(frozen) < len(log):
        change = max(frozen) + 0.5
        panel.axvline(change, color=GRAY, linewidth=1, linestyle=(0, (4, 3)))
        panel.axvspan(min(frozen) - 0.5, change, color="#eef2f8", zorder=0)
        for side, away, label in (("right", -5, "head alone"), ("left", 5, "all layers")):
            panel.annotate(
                label, (change, 1), xycoords=("data", "axes fraction"), xytext=(away, 9),
                textcoords="offset points", ha=side, va="top", fontsize=8, color="#5b6675",
            )  # fmt: skip
    if best_epoch is not None:
        panel.axvline(best_epoch, color="#1a7f5a", linewidth=1.2, label=f"best epoch, {best_epoch}")


def confusion_chart(confusion_KK: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Draws a confusion matrix: numbers of clouds, colored by their share of the true class.

    Args:
        confusion_KK: (K, K) numbers of clouds, one row per true class.
        classes: names of the classes.

    Returns:
        SVG.

    Raises:
        ImportError: matplotlib is missing; install `crossjepa[view]`.
    """
    figures, count = _figures(), len(classes)
    side = min(2.6 + 0.34 * count, 18)
    shares_KK = confusion_KK / np.maximum(confusion_KK.sum(axis=1, keepdims=True), 1)
    with figures["style"](_STYLE):
        figure = figures["figure"](figsize=(side, side), layout="constrained")
        panel = figure.add_subplot()
        panel.pcolormesh(shares_KK, cmap="Blues", vmin=0, vmax=1, edgecolors="#ffffff", linewidth=0.6)
        panel.invert_yaxis()
        panel.set_aspect("equal")
        names = [name if len(name) <= 24 else f"{name[:23]}\N{HORIZONTAL ELLIPSIS}" for name in classes]
        panel.set_xticks(np.arange(count) + 0.5, names, rotation=90, fontsize=8)
        panel.set_yticks(np.arange(count) + 0.5, names, fontsize=8)
        panel.tick_params(length=0)
        for spine in panel.spines.values():
            spine.set_visible(False)
        panel.set_xlabel("predicted class")
        panel.set_ylabel("true class")
        for row, column in zip(*np.nonzero(confusion_KK), strict=True):
            color = "#ffffff" if shares_KK[row, column] > 0.5 else INK
            panel.text(
                column + 0.5, row + 0.5, str(confusion_KK[row, column]), ha="center", va="center",
                fontsize=7.5, color=color,
            )  # fmt: skip
    return _svg(figure)


def _figures() -> dict[str, Any]:
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("charts of reports need matplotlib: pip install 'crossjepa[view]'") from error
    return {"figure": Figure, "style": mpl.rc_context}


def _svg(figure: Any) -> str:
    file = io.StringIO()
    with _figures()["style"](_STYLE):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return file.getvalue()[file.getvalue().index("<svg") :]
