"""The log of a run: JSON lines, TensorBoard and W&B on request, and curves as a picture."""

from __future__ import annotations

import json
import logging
import secrets
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from crossjepa.files import atomic_write

logger = logging.getLogger(__name__)

LOG_NAME = "log.jsonl"
CURVES_NAME = "curves.png"
WANDB_NAME = "wandb-id.txt"
# Drawing takes about a second.
SECONDS_BETWEEN_PICTURES = 120.0


class RunLog:
    """The log of one run; as a context manager it is closed however the run ends.

    log.jsonl is complete after every line, so that a killed run leaves it.

    Args:
        run: folder of the run.
        step: steps done; later lines, written by a process that was killed, are dropped.
        tensorboard: also write TensorBoard events.
        wandb: name of a W&B project to log to as well; "" for none.
    """

    def __init__(self, run: Path, step: int, *, tensorboard: bool = False, wandb: str = "") -> None:
        self.run = run
        self.lines = [line for line in read_log(run) if line["step"] <= step]
        self.drawn, self.drawable = time.monotonic(), True
        text = "".join(json.dumps(line) + "\n" for line in self.lines)
        atomic_write(self.run / LOG_NAME, lambda file: file.write(text.encode()))
        self.sinks: list[_TensorBoard | _Wandb] = []
        if tensorboard:
            self.sinks.append(_TensorBoard(run, step))
        if wandb:
            self.sinks.append(_Wandb(run, wandb))

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(failed=kind is not None)

    def write(self, **values: float) -> None:
        """Adds a line; `step` must be among the values."""
        self.lines.append(values)
        logger.info(" ".join(f"{name} {value:.5g}" for name, value in values.items()))
        with (self.run / LOG_NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
        figures = {name: value for name, value in values.items() if name != "step"}
        for sink in self.sinks:
            sink.write(int(values["step"]), figures)
        if time.monotonic() - self.drawn >= SECONDS_BETWEEN_PICTURES:
            self.draw()

    def draw(self) -> None:
        """Draws curves.png if matplotlib is installed and something was logged."""
        if not (self.drawable and self.lines):
            return
        try:
            draw_curves(self.lines, self.run / CURVES_NAME)
        except ImportError:
            self.drawable = False
            logger.info("no %s: matplotlib is not installed", CURVES_NAME)
        self.drawn = time.monotonic()

    def finish(self, *, failed: bool = False) -> None:
        """Draws the curves a last time and closes TensorBoard and W&B.

        Args:
            failed: whether the run ended with an error.
        """
        try:
            self.draw()
        finally:
            while self.sinks:
                self.sinks.pop().close(failed)


def read_log(run: Path) -> list[dict[str, float]]:
    """Reads log.jsonl without a last line that is incomplete."""
    path = run / LOG_NAME
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def draw_curves(lines: list[dict[str, float]], path: Path) -> None:
    """Draws a panel for each logged quantity against the steps.

    Raises:
        ImportError: matplotlib is missing.
    """
    from matplotlib.figure import Figure

    logged = dict.fromkeys(key for line in lines for key in line)
    names = [name for name in logged if name not in ("step", "frozen")]
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
    atomic_write(path, lambda file: figure.savefig(file, dpi=110, format="png"))


class _TensorBoard:
    def __init__(self, run: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError("--tensorboard needs TensorBoard: pip install 'crossjepa[log]'") from error
        # TensorBoard hides later steps of a killed process, as they are written again.
        self.writer: Any = SummaryWriter(str(run), purge_step=step + 1)

    def write(self, step: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def close(self, failed: bool) -> None:
        self.writer.close()


class _Wandb:
    def __init__(self, run: Path, project: str) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ImportError("--wandb needs W&B: pip install 'crossjepa[log]'") from error
        name, known = run.name, _wandb_id(run)
        try:
            self.session = wandb.init(project=project, name=name, dir=str(run), resume="allow", id=known)
        except wandb.Error as error:
            raise ValueError(f"--wandb {project}: {error}") from error

    def write(self, step: int, figures: dict[str, float]) -> None:
        self.session.log(figures, step=step)

    def close(self, failed: bool) -> None:
        self.session.finish(exit_code=int(failed))


def _wandb_id(run: Path) -> str:
    """Returns the W&B id of a run, which is kept in its folder, as names of folders are not unique."""
    path = run / WANDB_NAME
    if not path.is_file():
        atomic_write(path, lambda file: file.write(secrets.token_hex(8).encode()))
    return path.read_text(encoding="utf-8")
