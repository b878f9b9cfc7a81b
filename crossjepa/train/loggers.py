"""Where the figures of a run go: JSON lines and CSV, TensorBoard and W&B on request, curves as a picture."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any

from crossjepa.files import atomic_write

logger = logging.getLogger(__name__)

LOG_NAME = "log.jsonl"


class RunLog:
    """The log of one run.

    Args:
        run: its folder.
        step: steps done; later lines of an earlier, killed process are dropped.
        tensorboard: also write TensorBoard events.
        wandb: name of a W&B project to log to as well; "" for none.
    """

    def __init__(self, run: Path, step: int, *, tensorboard: bool = False, wandb: str = "") -> None:
        self.run = run
        self.lines = [line for line in read_log(run) if line["step"] <= step]
        self._rewrite()
        self.sinks: list[_TensorBoard | _Wandb] = []
        if tensorboard:
            self.sinks.append(_TensorBoard(run))
        if wandb:
            self.sinks.append(_Wandb(run, wandb))

    def write(self, **values: float) -> None:
        """Adds a line; `step` must be among the values."""
        self.lines.append(values)
        logger.info(" ".join(f"{name} {value:.5g}" for name, value in values.items()))
        with (self.run / LOG_NAME).open("a") as file:
            file.write(json.dumps(values) + "\n")
        for sink in self.sinks:
            sink.write(values)

    def finish(self) -> None:
        """Writes log.csv and, where matplotlib is installed, curves.png."""
        columns = list(dict.fromkeys(name for line in self.lines for name in line))
        with (self.run / "log.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.lines)
        try:
            draw_curves(self.lines, self.run / "curves.png")
        except ImportError:
            logger.info("no curves.png: matplotlib is not installed")

    def _rewrite(self) -> None:
        text = "".join(json.dumps(line) + "\n" for line in self.lines)
        atomic_write(self.run / LOG_NAME, lambda file: file.write(text.encode()))


def read_log(run: Path) -> list[dict[str, float]]:
    """Reads log.jsonl; a last line that was cut off is left out."""
    path = run / LOG_NAME
    text = path.read_text() if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def draw_curves(lines: list[dict[str, float]], path: Path) -> None:
    """Draws a panel for each logged quantity against the steps.

    Raises:
        ImportError: matplotlib is missing.
    """
    from matplotlib.figure import Figure

    names = [name for name in dict.fromkeys(key for line in lines for key in line) if name != "step"]
    columns = min(3, max(1, len(names)))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.8 * max(rows, 1)), layout="constrained")
    for number, name in enumerate(names):
        panel = figure.add_subplot(rows, columns, number + 1)
        pairs = [(line["step"], line[name]) for line in lines if name in line]
        panel.plot(*zip(*pairs, strict=True), linewidth=1)
        panel.set_title(name.replace("_", " "), fontsize=9)
        panel.tick_params(labelsize=7)
        panel.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


class _TensorBoard:
    def __init__(self, run: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError("--tensorboard needs TensorBoard: pip install 'crossjepa[log]'") from error
        self.writer: Any = SummaryWriter(str(run))

    def write(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, int(values["step"]))


class _Wandb:
    def __init__(self, run: Path, project: str) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ImportError("--wandb needs W&B: pip install 'crossjepa[log]'") from error
        self.session = wandb.init(project=project, name=run.name, dir=str(run), resume="allow", id=run.name)

    def write(self, values: dict[str, float]) -> None:
        self.session.log(values, step=int(values["step"]))
