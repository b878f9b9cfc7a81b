"""Writes the tables of docs/performance.md from the results of benchmarks.

    python examples/benchmarks/performance_page.py docs/benchmarks/*.json [--check]

Each file is what `gpu.py -o FILE` wrote on one card. Tables go between the lines `<!-- tables -->` and
`<!-- end of tables -->`; `--check` changes nothing and fails if the page has other tables.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
FIRST, LAST = "<!-- tables -->\n", "<!-- end of tables -->\n"
# Sections of the results, their headings, and the columns to leave out.
TABLES = (
    ("peaks", "Matrix products of 8192 x 8192", ()),
    ("parity", "16 sample clouds against the CPU in float32: largest relative difference", ()),
    ("network", "The network, clouds of 1,024 points: eager, and replayed as a CUDA graph", ()),
    ("breakdown", "Its parts, batches of 512", ()),
    ("pretraining", "A step of pretraining, 8 views, bfloat16", ()),
    ("teachers", "Teachers, views of 224 x 224 pixels", ()),
    ("rendering", "Rendering of the sample files", ()),
    ("paper", "The recipe `shapenet-paper`: 43,783 objects, batches of 512, one view per step", ()),
    ("encode", "`encode` of arrays, from end to end", ()),
)


def number(value: Any) -> str:
    """Returns a number with three digits, or a text as it is."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Returns the lines of a Markdown table."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|---" + "|---:" * (len(names) - 1) + "|"]
    return lines + ["| " + " | ".join(number(row.get(name)) for name in names) + " |" for row in rows]


def tables(path: Path) -> list[str]:
    """Returns the lines of the tables of one card."""
    results = json.loads(path.read_text("utf-8"))
    card = results["device"]
    lines = [f"### {card}", "", f"torch {results['torch']}; `examples/benchmarks/gpu.py -o {path.name}`.", ""]
    for name, heading, left_out in TABLES:
        if rows := results.get(name):
            kept = [{key: value for key, value in row.items() if key not in left_out} for row in rows]
            lines += [f"**{heading}** ({card})", "", *table(kept), ""]
    return lines


def main() -> int:
    """Writes or checks the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", nargs="+", type=Path, metavar="FILE.json")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(FIRST)
    _, _, after = rest.partition(LAST)
    body = "\n".join(line for path in sorted(options.results) for line in tables(path))
    written = f"{before}{FIRST}\n{body}\n{LAST}{after}"
    if options.check:
        return int(written != text)
    PAGE.write_text(written, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
