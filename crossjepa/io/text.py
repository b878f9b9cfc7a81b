"""Reader of xyz, txt, csv and pts files, one point per line, and parsers for the other text formats.

N points, P polygons of the same k corners
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.shapes import Groups, PointCloud, validate_points


def read_text_file(path: Path) -> str:
    """Reads the text of a file.

    Raises:
        PointCloudError: the file is missing or is not UTF-8 text.
    """
    if not path.is_file():
        raise PointCloudError(path, "no such file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PointCloudError(path, f"not a text file (byte {error.start} is not UTF-8)") from error
    except OSError as error:
        raise PointCloudError(path, f"cannot be read ({error.strerror or error})") from error
    if "\0" in text:
        raise PointCloudError(path, "not a text file (it contains zero bytes)")
    return text


def read_points_text(path: Path) -> PointCloud:
    """Reads lines of at least three numbers, separated by spaces, commas or semicolons.

    If the first line holds names, the columns called x, y and z are read; in a pts file, the first line may
    be the number of points. Lines that begin with # are skipped.
    """
    lines = read_text_file(path).splitlines()
    skip, columns, promised = _header(path, lines)
    points = parse_numbers(path, lines[skip:], lambda index: skip + 1 + index)
    if points.size and max(columns) >= points.shape[1]:
        raise PointCloudError(path, f"line {skip + 1}: {points.shape[1]} numbers, expected at least 3")
    if promised not in (None, len(points)):
        raise PointCloudError(path, f"its first line promises {promised} points, but {len(points)} follow")
    return PointCloud(validate_points(points[:, columns] if points.size else np.zeros((0, 3)), str(path)))


def _header(path: Path, lines: list[str]) -> tuple[int, list[int], int | None]:
    """Returns how many lines come before the points, the columns of x, y and z, and a promised count."""
    columns = [0, 1, 2]
    for number, line in enumerate(lines):
        content = line.split("#")[0].strip()
        if not content:
            continue
        separator = _separator(content)
        fields = content.removesuffix(separator or "").split(separator)
        if path.suffix.lower() == ".pts" and content.isdecimal() and len(content) < 20:
            return number + 1, columns, int(content)
        if _are_numbers(fields):
            return number, columns, None
        names = [field.strip(" \t\"'/").lower() for field in fields]
        if not all(re.search("[a-z]", name) for name in names):
            raise PointCloudError(path, f"line {number + 1}: {content[:40]!r} is not a line of numbers")
        if {"x", "y", "z"} <= set(names):
            columns = [names.index(axis) for axis in "xyz"]
        return number + 1, columns, None
    return len(lines), columns, None


def line_of(text: str, pattern: re.Pattern[str]) -> Callable[[int], int]:
    """Returns what maps the index of a match of a pattern to its line number in the text, for errors."""

    def number(index: int) -> int:
        starts = [match.start(1) for match in pattern.finditer(text)]
        return text.count("\n", 0, starts[index]) + 1

    return number


def read_numbers(path: Path) -> NDArray[np.float64]:
    """Reads a file of lines of numbers into a table, as `parse_numbers` does."""
    return parse_numbers(path, read_text_file(path).splitlines(), lambda index: index + 1)


def _separator(line: str) -> str | None:
    return next((sign for sign in ",;" if sign in line), None)


def parse_numbers(
    path: Path, lines: list[str], line_number: Callable[[int], int], columns: Sequence[int] | None = None
) -> NDArray[np.float64]:
    """Parses lines of numbers into a table.

    Args:
        path: the file, for errors.
        lines: the lines; empty ones and comments are skipped.
        line_number: maps an index of `lines` to a line number of the file, for errors.
        columns: the columns to read, which allows lines of different lengths; all columns by default.

    Returns:
        (N, columns) float64.

    Raises:
        PointCloudError: a line is not numeric or has the wrong number of columns; the message gives its
            number.
    """
    first = next((line for line in lines if line.split("#")[0].strip()), "")
    separator = _separator(first.split("#")[0])
    # Spreadsheets write a separator after the last number too, which is no empty column.
    if separator and first.rstrip().endswith(separator):
        lines = [line.rstrip().removesuffix(separator) for line in lines]
    try:
        return _load(lines, np.float64, separator, columns)
    except ValueError as error:
        reason = _first_bad_line(lines, line_number, separator, columns)
        raise PointCloudError(path, reason or str(error)) from error


def parse_polygons(path: Path, lines: list[str], corners: list[int], start: int = 0) -> Groups:
    """Parses lines of vertex numbers, all lines with the same number of corners at once.

    Args:
        path: the file, for errors.
        lines: one polygon per line.
        corners: number of corners of each line.
        start: column of the first corner; columns after the last corner are ignored.

    Raises:
        PointCloudError: a corner is missing or is not an integer.
    """
    corners_P = np.array(corners, np.int64)
    groups = []
    for count in np.unique(corners_P[corners_P > 0]).tolist():
        of_count_P = np.flatnonzero(corners_P == count)
        some = lines if len(of_count_P) == len(lines) else [lines[index] for index in of_count_P]
        try:
            groups.append((of_count_P, _load(some, np.int64, None, range(start, start + count))))
        except ValueError as error:
            raise PointCloudError(path, f"a face is not a row of vertex numbers ({error})") from error
    return groups


def _load(
    lines: list[str], dtype: type, separator: str | None, columns: Sequence[int] | None
) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "loadtxt: input contained no data", UserWarning)
        # NumPy 1 would round numbers that are not integers, and warn.
        warnings.filterwarnings("error", r"loadtxt\(\): Parsing an integer via a float", DeprecationWarning)
        try:
            return np.loadtxt(lines, dtype=dtype, ndmin=2, comments="#", delimiter=separator, usecols=columns)
        except DeprecationWarning as error:
            raise ValueError("not an integer") from error


def _first_bad_line(
    lines: list[str],
    line_number: Callable[[int], int],
    separator: str | None,
    columns: Sequence[int] | None,
) -> str:
    width = len(columns or ())
    for index, line in enumerate(lines):
        content = line.split("#")[0].strip()
        if not content:
            continue
        fields = content.split(separator)
        fields = fields[:width] if columns else fields
        if not _are_numbers(fields):
            return f"line {line_number(index)}: {content[:40]!r} is not a line of numbers"
        width = width or len(fields)
        if len(fields) != width:
            return f"line {line_number(index)}: {len(fields)} numbers, expected {width}"
    return ""


def _are_numbers(fields: list[str]) -> bool:
    try:
        for field in fields:
            float(field)
    except ValueError:
        return False
    return True
