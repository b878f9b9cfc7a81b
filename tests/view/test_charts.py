"""Charts as SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from crossjepa.view.charts import confusion_chart, curves_charts

pytest.importorskip("matplotlib", reason="charts need the extra `view`")
LOG = [
    {"step": step, "loss": 2 / step, "validation_accuracy": step / 8, "validation_loss": 3 / step,
     "frozen": float(step <= 3)}
    for step in range(1, 7)
]  # fmt: skip


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [(element.text or "").strip() for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_curves_say_when_the_phase_changes_and_which_epoch_is_best() -> None:
    losses, scores = curves_charts(LOG, best_epoch=5)
    assert {"loss", "training", "validation", "head alone", "all layers", "best epoch, 5"} <= {*texts(losses)}
    assert {"score", "validation accuracy", "best epoch, 5"} <= {*texts(scores)}
    assert curves_charts(LOG, best_epoch=5) == [losses, scores]
    ids = [*re.findall(r'id="([^"]+)"', losses)]
    assert len(ids) == len(set(ids))


def test_a_run_of_one_phase_has_no_change() -> None:
    (losses,) = curves_charts([{"step": step, "loss": 1.0, "frozen": 0.0} for step in (1, 2)])
    assert not {"head alone", "best epoch"} & {*texts(losses)}
    (old,) = curves_charts([{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}])
    assert "training" in texts(old)


def test_a_confusion_matrix_has_its_numbers_and_names() -> None:
    svg = confusion_chart(np.array([[7, 0], [2, 11]]), ["a & b", "x" * 40])
    assert {"7", "2", "11", "a & b"} <= {*texts(svg)}
    assert any(text.startswith("xxx") and len(text) == 24 for text in texts(svg))
