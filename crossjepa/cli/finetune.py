"""`crossjepa finetune`."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from crossjepa.cli import options
from crossjepa.locks import in_use
from crossjepa.train.finetune import FinetuneConfig, FinetuneOptions

if TYPE_CHECKING:
    from crossjepa.datasets import Dataset

DEFAULT_RUN = FinetuneOptions(device="auto")


@dataclass(frozen=True)
class Recipe(FinetuneConfig):
    """How the encoder is fine-tuned; the defaults suit a few hundred files and a CPU."""

    model: Annotated[str, arg(aliases=["-m"])] = options.DEFAULT_MODEL


def finetune(
    data: Annotated[Path, Positional, arg(metavar="DATA")],
    output: options.Folder,
    data_set: options.DataSet = None,
    recipe: Annotated[Recipe, arg(name="")] = Recipe(),
    run: Annotated[FinetuneOptions, arg(name="process")] = DEFAULT_RUN,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Fine-tune on a folder of class/file, a table or a data set.

    Tests the model once, and writes a report of it as a page. The same command continues an interrupted run.

    Args:
        data: folder of class/file, CSV table of path and label, or data set.
        output: folder of the model.
    """
    from crossjepa.device import resolve_device
    from crossjepa.train.finetune import FinetuneRun

    options.log_to_stderr(quiet)
    shown = run.progress and sys.stderr.isatty() and not quiet
    run = replace(run, device=str(resolve_device(run.device)), progress=shown)
    with in_use(output):
        started = FinetuneRun(data, output, recipe, data_set=data_set, options=run)
        started.train()
        result = started.finish()
        page = _write_report(output, started.dataset)
    print(result.to_json() if json else result.to_text())
    if page and not quiet:
        print(f"{page}: the report", file=sys.stderr)
    if not quiet:
        print(f"{output}: the model; use it with `crossjepa predict FILES -m {output}`", file=sys.stderr)
    return 0


def _write_report(folder: Path, dataset: Dataset) -> Path | None:
    """Writes report.html; what is missing for that must not cost a model that is complete."""
    from crossjepa.view.report import write_finetune_report

    try:
        return write_finetune_report(folder, dataset)
    except ImportError as error:
        logging.getLogger("crossjepa").warning("no report.html: %s", error)
        return None
