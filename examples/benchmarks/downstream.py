"""The downstream tables of the model card, each cell by the command that a user would type.

    python examples/benchmarks/downstream.py DATA -o RESULTS [--model crossjepa-base] [--only WORD] [--list]

DATA holds modelnet40_clouds_1024.npz, psb_clouds_1024.npz, labeledpsb_parts_2048.npz, and shapedb69.npz,
which examples/reproduce/shapedb.py writes. The JSON of every command is kept in RESULTS, and a cell that
exists is not measured again, so an interrupted run resumes. At the end the tables are printed as
Markdown, with gaps where a cell is missing, and the label efficiency is drawn.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODELNET, PSB, SHAPEDB, PARTS = (
    "modelnet40_clouds_1024.npz",
    "psb_clouds_1024.npz",
    "shapedb69.npz",
    "labeledpsb_parts_2048.npz",
)
REFERENCES = ("untrained", "shape-distributions")
LABEL_SHARES = ("1%", "5%", "10%", "50%", "100%")
CROSSJEPA = ("python", "-m", "crossjepa")
# Which data set a file is, if it is more than an archive of clouds with y up.
KNOWN = {MODELNET: ["--data-set", "modelnet40"]}
# Few labels of ModelNet40, so that a run takes minutes on a CPU.
FEW = ["--per-class", "20"]


@dataclass(frozen=True)
class Column:
    """One column of a table: what runs, on which file, and which figure of its result is shown."""

    title: str
    run: str
    file: str
    metric: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table with one row per model."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[Column, ...]


def tables(model: str) -> list[Table]:
    """All tables of the model card."""
    fewshot = tuple(
        Column(f"MN40 {way}-way {shot}-shot", "fewshot", MODELNET, f"{way}w{shot}s")
        for way, shot in ((5, 10), (5, 20), (10, 10), (10, 20))
    )
    frozen = (
        Column("MN40 linear", "linear", MODELNET, "accuracy"),
        *fewshot,
        Column("MN40 retrieval mAP", "retrieval", MODELNET, "map"),
        Column("PSB linear", "linear", PSB, "accuracy"),
        Column("ShapeDB linear", "linear", SHAPEDB, "accuracy"),
    )
    labels = tuple(Column(share, "label-efficiency", MODELNET, f"accuracy_{share}") for share in LABEL_SHARES)
    tuned = (
        Column("MN40, 20 per class", "classification", MODELNET, "accuracy", tuple(FEW)),
        Column("PSB", "classification", PSB, "accuracy"),
        Column("ShapeDB, fold 0", "classification", SHAPEDB, "accuracy"),
        Column("PSB parts, instance mIoU", "partseg", PARTS, "instance_miou"),
        Column("PSB parts, class mIoU", "partseg", PARTS, "class_miou"),
    )
    return [
        Table("Frozen features", (model, *REFERENCES), frozen),
        Table("Label efficiency, ModelNet40, linear SVM", (model, *REFERENCES), labels),
        Table("Fine-tuned", (model, "from scratch", "pointnet"), tuned),
    ]


def is_tuned(column: Column) -> bool:
    """Tells fine-tuning from evaluation on frozen features."""
    return column.run in ("classification", "partseg")


def result_path(column: Column, row: str, results: Path) -> Path:
    """Where the JSON of a cell lies; cells of one command share it."""
    name = f"{Path(column.file).stem}-{column.run}-{Path(row).name.replace(' ', '-')}"
    return results / name / "result.json" if is_tuned(column) else results / f"{name}.json"


def command(column: Column, row: str, model: str, data: Path, results: Path) -> list[str]:
    """The command of a cell."""
    output, known = str(result_path(column, row, results)), KNOWN.get(column.file, [])
    source = [str(data / column.file), *known]
    if not is_tuned(column):
        return [
            *CROSSJEPA,
            "eval",
            column.run,
            *source,
            "-m",
            row,
            "-o",
            output,
            "--jobs",
            "2",
            "--no-progress",
        ]
    words = [*source, "--task", column.run, *column.options, "-o", str(Path(output).parent)]
    if row == "pointnet":
        return ["python", str(Path(__file__).with_name("pointnet.py")), *words]
    start = ["-m", model, "--from-scratch"] if row == "from scratch" else ["-m", row]
    return [*CROSSJEPA, "finetune", *words, *start, "--no-progress"]


def measure(words: Sequence[str], output: Path) -> bool:
    """Runs a command unless its result exists; what it prints goes into a log beside it."""
    if output.is_file():
        return True
    output.parent.mkdir(parents=True, exist_ok=True)
    print("$ " + shlex.join(words), flush=True)
    with output.with_suffix(".log").open("w") as log:
        ended = subprocess.run([sys.executable, *words[1:]], stdout=log, stderr=log, check=False)
    if ended.returncode:
        print(f"failed: see {output.with_suffix('.log')}", file=sys.stderr, flush=True)
    return ended.returncode == 0


def cell(column: Column, row: str, results: Path) -> str:
    """One figure, in percent."""
    path = result_path(column, row, results)
    if not path.is_file():
        return ""
    metrics: dict[str, Any] = json.loads(path.read_text())["metrics"]
    if column.metric not in metrics:
        return f"no {column.metric}"
    spread = metrics.get(f"{column.metric}_deviation")
    return f"{100 * metrics[column.metric]:.1f}" + (f" ± {100 * spread:.1f}" if spread is not None else "")


def markdown(table: Table, results: Path) -> str:
    """A table, in percent."""
    head = ["", *(column.title for column in table.columns)]
    lines = [f"### {table.title}", "", "| " + " | ".join(head) + " |", "|---|" + "---:|" * len(table.columns)]
    for row in table.rows:
        cells = [cell(column, row, results) for column in table.columns]
        lines.append("| " + " | ".join([Path(row).name, *cells]) + " |")
    return "\n".join([*lines, ""])


def draw(table: Table, results: Path, picture: Path) -> None:
    """Draws the label efficiency."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    panel = figure.add_subplot()
    for row in table.rows:
        path = result_path(table.columns[0], row, results)
        if path.is_file():
            found = json.loads(path.read_text())["table"]
            shares = [float(line["labels"].rstrip("%")) for line in found]
            scores, spread = ([100 * line[name] for line in found] for name in ("accuracy", "deviation"))
            panel.errorbar(shares, scores, yerr=spread, marker="o", capsize=3, label=Path(row).name)
    panel.set_xscale("log")
    panel.set_xticks([1, 5, 10, 50, 100], ["1", "5", "10", "50", "100"])
    panel.set_xlabel("labels of ModelNet40's training split, %")
    panel.set_ylabel("accuracy on the test split, %")
    panel.grid(alpha=0.3)
    panel.legend()
    figure.savefig(picture, dpi=120)


def main() -> int:
    """Measures what is missing and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RESULTS")
    parser.add_argument("--model", default="crossjepa-base")
    parser.add_argument("--only", default="", help="measure only commands that contain this word")
    parser.add_argument("--list", action="store_true", help="print the commands and measure nothing")
    options = parser.parse_args()
    complete = True
    for table in tables(options.model):
        for column in table.columns:
            for row in table.rows:
                words = command(column, row, options.model, options.data, options.output)
                if options.list:
                    print(shlex.join(words))
                elif options.only in shlex.join(words):
                    complete &= measure(words, result_path(column, row, options.output))
    if options.list:
        return 0
    for table in tables(options.model):
        print(markdown(table, options.output))
    draw(tables(options.model)[1], options.output, options.output / "label_efficiency.png")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
