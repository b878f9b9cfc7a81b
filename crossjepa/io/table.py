"""Reader of tables of points: xyz, txt, csv, pts and their like, in the dialects of many programs.

N points
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError, PointCloudWarning
from crossjepa.io.numerals import is_number, to_number
from crossjepa.io.shapes import PointCloud, as_cloud
from crossjepa.io.table_layout import UNIT, Layout, find_layout, is_comment, is_count, split_cells
from crossjepa.io.text import read_text_file, split_lines, without_comment


def read_points_text(path: Path) -> PointCloud:
    """Reads a table of points, one per line.

    Cells are separated by spaces, tabs, commas, semicolons or bars; commas may also be decimal. If a line
    before the points names columns, also in a comment, x, y and z are found by these names; otherwise they
    are the first three columns. A line may hold the number of points that follow.

    Raises:
        PointCloudError: there are no points, a line does not fit, or the names of the columns do not say
            which of them are the coordinates.
    """
    lines = split_lines(read_text_file(path))
    layout = find_layout(path, lines)
    if layout is None:
        raise PointCloudError(path, "no points")
    points_N3 = _read_at_once(lines, layout)
    if points_N3 is None:
        points_N3 = _read_line_by_line(path, lines, layout)
    return as_cloud(points_N3, str(path))


def _read_at_once(lines: Sequence[str], layout: Layout) -> NDArray[np.float64] | None:
    """Returns (N, 3) points if the lines are as plain as they usually are, else None."""
    body = lines[layout.start :]
    if any(".#" in line for line in body):  # Windows' NaN, which would count as a comment
        return None
    if layout.separator and len({line.count(layout.separator) for line in body if line.strip()}) > 1:
        return None
    if layout.separator is None and len(set(map(len, map(str.split, body))) - {0}) > 1:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = np.loadtxt(
                body, np.float64, comments=None, delimiter=layout.separator, usecols=layout.columns, ndmin=2
            )
    except ValueError:
        return None
    return table if layout.count in (None, len(table)) else None


def _read_line_by_line(path: Path, lines: Sequence[str], layout: Layout) -> NDArray[np.float64]:
    """Reads lines among which there are comments, counts, repeated headers or unusual numbers."""
    points, scans = list[list[float]](), [(0, layout.count)]
    for number, line in enumerate(lines[layout.start :], start=layout.start + 1):
        stripped = line.strip()
        if not stripped or is_comment(line) or stripped == layout.header:
            continue
        if is_count(stripped) and layout.width > 1:
            scans.append((len(points), int(stripped)))
            continue
        cells = _cells_of(line, layout)
        if not any(cells) or (layout.named and not points and all(map(UNIT.fullmatch, cells))):
            continue
        if len(cells) != layout.width:
            if not layout.named and sum(map(is_number, cells)) < len(cells):
                raise PointCloudError(path, f"line {number}: {stripped[:40]!r} is not a line of numbers")
            what = "columns" if layout.named else "numbers"
            raise PointCloudError(path, f"line {number}: {len(cells)} {what}, expected {layout.width}")
        try:
            points.append([to_number(cells[column]) for column in layout.columns])
        except ValueError as error:
            reason = f"line {number}: {stripped[:40]!r} is not a line of numbers"
            raise PointCloudError(path, reason) from error
    _compare_counts(path, scans, len(points))
    return np.array(points, np.float64).reshape(-1, 3)


def _cells_of(line: str, layout: Layout) -> list[str]:
    cells = split_cells(line, layout.separator)
    if "#" in line and len(cells) != layout.width:
        cells = split_cells(without_comment(line), layout.separator)
    while len(cells) > layout.width and not cells[-1]:
        cells.pop()
    return cells


def _compare_counts(path: Path, scans: Sequence[tuple[int, int | None]], total: int) -> None:
    """Compares the number of points of every scan with the line before it.

    Raises:
        PointCloudError: there are fewer.
    """
    ends = [start for start, _ in scans[1:]] + [total]
    for (start, promised), end in zip(scans, ends, strict=True):
        if promised is None or promised == end - start:
            continue
        reason = f"a line promises {promised} points, but {end - start} follow"
        if promised > end - start:
            raise PointCloudError(path, reason)
        warnings.warn(PointCloudWarning(path, f"{reason}; all are used"), stacklevel=4)
