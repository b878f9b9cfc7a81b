"""How a table of points is written: what separates its cells, and which columns are x, y and z.

N points
"""

from __future__ import annotations

import csv
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossjepa.errors import PointCloudError
from crossjepa.io.columns import find_columns, is_header
from crossjepa.io.content import read_content
from crossjepa.io.numerals import is_number, to_number
from crossjepa.io.shapes import check_orientation
from crossjepa.io.text import decode, split_lines, without_comment

_SEPARATORS = ("\t", ";", ",", "|", None)
_COMMENTS = ("#", "//", "%", "!", "$")
# What is read to tell whether a text holds points.
_FIRST_BYTES, _FIRST_LINES = 1 << 14, 64
# Lines among which the first points are found; what comes before them is titles, comments and names.
_HEAD = 300
_LONGEST_LINE = 1 << 15
UNIT = re.compile(r"[\[(]?(mm|cm|m|km|ft|us-ft|in|deg|rad|s|sec|-|float|double|f[48]|)[\])]?", re.IGNORECASE)


class NoCloudError(PointCloudError):
    """A text that holds no points, or columns that are not called x, y and z."""


@dataclass(frozen=True)
class Layout:
    """How a table is written.

    Attributes:
        start: index of the first line of points.
        separator: what separates cells; None for spaces.
        columns: numbers of the columns x, y and z.
        width: number of columns.
        named: whether a header names the columns.
        header: the line of the header, which may be repeated.
        count: number of points that a line before them promises.
    """

    start: int
    separator: str | None
    columns: list[int]
    width: int
    named: bool
    header: str = ""
    count: int | None = None


def find_layout(path: Path, lines: Sequence[str]) -> Layout | None:
    """Finds out from its first lines how a table is written; returns None if it has no points.

    Raises:
        PointCloudError: its lines are no points, or it does not say which columns are the coordinates.
    """
    if lines and re.fullmatch(r"\s*ncols\s+\d+\s*", lines[0], re.IGNORECASE):
        raise PointCloudError(path, "is an ESRI grid; convert it: gdal_translate -of XYZ in.asc out.xyz")
    head = [(index, line) for index, line in enumerate(lines[: 2 * _HEAD]) if line.strip()][:_HEAD]
    declared = re.fullmatch(r'"?sep=(.)"?\s*', head[0][1]) if head else None
    head = head[1:] if declared else head
    _check_length(path, [line for _, line in head])
    filled = [(index, line) for index, line in head if not is_comment(line)]
    separator, width = _find_separator([line for _, line in filled])
    if separator == "\t":  # numbers without names may also be aligned by several tabs
        spaced = _find_separator([line.replace("\t", " ") for _, line in filled])
        if all(_is_row(line, *spaced) and all(map(is_number, line.split())) for _, line in filled):
            separator, width = spaced
    start = next((index for index, line in filled if _is_row(line, separator, width)), None)
    if start is None:
        _explain(path, filled)
        return None
    before = [(index, line) for index, line in head if index < start]
    counts = [int(line) for _, line in before if is_count(line)]
    rows = {index: split_cells(line, separator) for index, line in filled if index >= start}
    rows = {index: row for index, row in rows.items() if len(row) == width}
    titles = [(index, line) for index, line in before if not is_count(line)]
    columns, header = _find_names(path, titles, list(rows.values()), width)
    count = counts[-1] if counts else None
    if columns is not None:
        return Layout(start, separator, columns, width, True, header, count)
    if width > 9:  # not three points with a color
        check_orientation(
            (len([line for line in lines[start : start + _HEAD] if line.strip()]), width), str(path)
        )
    return Layout(start, separator, _unnamed_columns(path, rows, width, separator), width, False, "", count)


def _check_length(path: Path, lines: Sequence[str]) -> None:
    longest = max(lines, key=len, default="")
    if len(longest) > _LONGEST_LINE:
        cells = longest.replace(",", " ").replace(";", " ").split()
        if cells and is_number(cells[0]):
            check_orientation((len(lines), len(cells)), str(path))
        raise NoCloudError(path, f"a line of {len(longest)} letters is no point")


def split_cells(line: str, separator: str | None) -> list[str]:
    """Splits a line into cells; a cell in quotes may contain the separator."""
    if '"' in line:
        if separator is None:
            return [cell.strip('"') for cell in re.findall(r'"[^"]*"|[^\s"]+', line)]
        with suppress(csv.Error):
            row = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
            return [cell.strip() for cell in row]
    return [cell.strip() for cell in line.strip(" \r").split(separator)] if separator else line.split()


def _find_separator(lines: Sequence[str]) -> tuple[str | None, int]:
    """Returns what separates cells, and the number of columns: as most lines have three numbers or more."""
    best: tuple[int, int] = (0, 0)
    found: tuple[str | None, int] = (None, 0)
    for separator in _SEPARATORS:
        if separator and not any(separator in line for line in lines):
            continue
        rows = [split_cells(without_comment(line), separator) for line in lines]
        widths = [len(row) if sum(map(is_number, row)) >= 3 else 0 for row in rows]
        usual = Counter(width for width in widths if width).most_common(1)
        for width, number in usual:
            score = (number, -widths.index(width))
            if score > best:
                best, found = score, (separator, width)
    return found


def _is_row(line: str, separator: str | None, width: int) -> bool:
    cells = split_cells(without_comment(line), separator)
    return len(cells) == width and sum(map(is_number, cells)) >= 3


def is_comment(line: str) -> bool:
    """Whether a line is a comment, which may also be a header."""
    return line.lstrip().startswith(_COMMENTS) and not (
        line.strip()[0] == "#" and without_comment(line).strip()
    )


def is_count(line: str) -> bool:
    """Whether a line holds nothing but a number of points."""
    return line.strip().isdecimal() and line.isascii() and len(line.strip()) < 20


def _explain(path: Path, filled: Sequence[tuple[int, str]]) -> None:
    """Says what is wrong with lines none of which has three numbers; returns if there is just no point."""
    for index, line in filled:
        cells = max((split_cells(line, separator) for separator in _SEPARATORS), key=len)
        if all(map(is_number, cells)) and not (is_count(line) and index == filled[0][0]):
            found = f"{len(cells)} number{'s' * (len(cells) > 1)}, expected at least 3"
            raise NoCloudError(path, f"line {index + 1}: {found}")
        try:
            find_columns(cells)
        except ValueError as error:
            if not is_count(line):
                reason = f"line {index + 1}: {line.strip()[:40]!r} is not a line of numbers"
                raise NoCloudError(path, reason) from error


def _find_names(
    path: Path, before: Sequence[tuple[int, str]], rows: Sequence[list[str]], width: int
) -> tuple[list[int] | None, str]:
    """Returns the columns of x, y and z and the header that names them, None if there is no header.

    Raises:
        PointCloudError: there is a header, but it does not name them.
    """
    problem = None
    for index, line in reversed(before):
        in_comment = is_comment(line)
        text = re.sub(r"^\s*(#+|//+|%+|!+|\$+)[:\s]*", "", line) if in_comment else line
        for names in _splits_of(text):
            shift = _shift_of_names(names, rows, width)
            if shift is None:
                continue
            try:
                return [column + shift for column in find_columns(names)], line.strip()
            except ValueError as error:
                fits = len(names) == width and not all(map(UNIT.fullmatch, names))
                if problem is None and fits and (is_header(names) or not in_comment):
                    problem = NoCloudError(path, f"line {index + 1}: {error}")
        if problem is None and not in_comment and width > 3:
            shown = line.strip()[:40]
            reason = f"line {index + 1}: {shown!r} does not name the {width} columns of the points"
            problem = NoCloudError(path, reason)
    if problem:
        raise problem
    return None, ""


def _splits_of(text: str) -> Iterator[list[str]]:
    for separator in _SEPARATORS:
        if separator is None or separator in text:
            names = split_cells(text, separator)
            while names and not names[-1]:
                names.pop()
            if separator is None:  # a unit in brackets belongs to the name before it
                joined = " ".join(text.split()).replace(" [", "\0[").replace(" (", "\0(")
                names = [name.replace("\0", " ") for name in split_cells(joined, None)]
            yield names


def _shift_of_names(names: Sequence[str], rows: Sequence[list[str]], width: int) -> int | None:
    """Returns by how many columns the numbers lie to the right of their names, None if they do not fit."""
    filled = max(len(row) - next((n for n, cell in enumerate(reversed(row)) if cell), 0) for row in rows)
    if len(names) in (width, filled):
        return 0
    # R writes names of rows, without a name for their column.
    first = [row[0] for row in rows]
    if len(names) == width - 1 and (_count_up(first) or not any(map(is_number, first))):
        return 1
    if 2 * len(names) == width and all(cell.lstrip("+-").isdecimal() for row in rows for cell in row):
        return None  # the commas between the columns are decimal, too
    begins_with_axes = [name.strip(" \"'").lower() for name in names[:3]] == ["x", "y", "z"]
    return 0 if begins_with_axes and len(names) < width else None


def _count_up(cells: Sequence[str]) -> bool:
    """Whether cells are 0, 1, 2 and so on, or 1, 2, 3."""
    numbers = [int(cell) if cell.isdecimal() and cell.isascii() else -1 for cell in cells]
    return numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _unnamed_columns(path: Path, rows: dict[int, list[str]], width: int, separator: str | None) -> list[int]:
    """Returns the first three columns, after one that counts the rows.

    Raises:
        PointCloudError: they do not look like coordinates.
    """
    skip = int(width > 3 and len(rows) > 3 and _count_up([row[0] for row in rows.values()]))
    columns = [skip, skip + 1, skip + 2]
    advice = "name the columns in a first line, the coordinates x, y and z"
    chosen = {index: [row[column] for column in columns] for index, row in rows.items()}
    for index, cells in chosen.items():
        if not all(is_number(cell) or not cell for cell in cells):
            reason = f"line {index + 1}: {' '.join(cells)[:40]!r} is not a line of numbers; {advice}"
            raise (NoCloudError if index == min(rows) else PointCloudError)(path, reason)
    values_N3 = np.abs([[to_number(cell) for cell in cells] for cells in chosen.values()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column may be all NaN
        typical_3 = np.nan_to_num(np.nanmedian(values_N3, axis=0), posinf=0)
    if width > 3 and typical_3[0] > 1e8 > 10 * typical_3[1:].max():
        first = rows[min(rows)][0]
        raise PointCloudError(path, f"its first column looks like times ({first[:20]}); {advice}")
    glued = any(re.fullmatch(r"0\d+", cell) for cells in rows.values() for cell in cells)
    if separator == "," and width % 2 == 0 and glued:
        raise PointCloudError(path, "decimal commas also separate its columns; separate them by ; or tabs")
    return columns


def why_no_cloud(path: Path) -> str:
    """Returns why a text is no table of points, judging by its first lines; "" if it may be one.

    Tables that are damaged may be one.
    """
    try:
        lines = split_lines(decode(_first_bytes(path), path))[:_FIRST_LINES]
        layout = find_layout(path, lines)
    except NoCloudError as error:
        return error.reason
    except (PointCloudError, OSError):
        return ""
    filled = [line for line in lines if line.strip() and not is_comment(line)]
    rows = [line for line in filled if layout and _is_row(line, layout.separator, layout.width)]
    enough = layout and 2 * len(rows) >= len(filled)
    return "" if enough else f"{len(rows)} of its first {len(filled)} lines are points"


def _first_bytes(path: Path) -> bytes:
    if path.suffix.lower() == ".gz":
        return read_content(path)
    with path.open("rb") as file:
        content = file.read(_FIRST_BYTES)
    return content if len(content) < _FIRST_BYTES else content[: content.rfind(b"\n") + 1]
