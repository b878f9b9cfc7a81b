"""xyz, txt, csv and pts: a point a line.

N points
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.io.errors import PointCloudError
from crossjepa.io.shapes import PointCloud, validate_points

_SEPARATORS = re.compile(r"[,;\s]+")


def read_text_file(path: Path) -> str:
    """Reads a whole text file.

    Raises:
        PointCloudError: it is not text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PointCloudError(path, f"not a text file (byte {error.start} is not UTF-8)") from error
    if "\0" in text:
        raise PointCloudError(path, "not a text file (it holds zero bytes)")
    return text


def read_points_text(path: Path) -> PointCloud:
    """Reads lines of at least three numbers, separated by spaces, commas or semicolons.

    A first line of names picks the columns called x, y and z; a first line of one number (pts) is a count;
    lines that begin with # are skipped.
    """
    lines = read_text_file(path).splitlines()
    skip, columns = _header(path, lines)
    points = parse_numbers(path, lines[skip:], skip + 1)
    if points.size and max(columns) >= points.shape[1]:
        raise PointCloudError(path, f"line {skip + 1}: {points.shape[1]} numbers, expected at least 3")
    return PointCloud(validate_points(points[:, columns] if points.size else points.reshape(0, 3), str(path)))


def _header(path: Path, lines: list[str]) -> tuple[int, list[int]]:
    """Returns how many lines come before the first point, and the columns of x, y and z."""
    columns = [0, 1, 2]
    for number, line in enumerate(lines):
        content = line.split("#")[0].strip()
        if not content:
            continue
        fields = _SEPARATORS.split(content)
        if _are_numbers(fields):
            is_count = path.suffix.lower() == ".pts" and len(fields) == 1
            return (number + 1 if is_count else number), columns
        names = [field.strip("\"'").lower() for field in fields]
        if not all(re.search("[a-z]", name) for name in names):
            raise PointCloudError(path, f"line {number + 1}: {content[:40]!r} is not a line of numbers")
        if {"x", "y", "z"} <= set(names):
            columns = [names.index(axis) for axis in "xyz"]
        return number + 1, columns
    return len(lines), columns


def parse_numbers(path: Path, lines: list[str], first_number: int) -> NDArray[Any]:
    """Turns lines into a table of float64.

    Args:
        path: the file, for errors.
        lines: the lines; empty ones and comments are skipped.
        first_number: number of the first line in the file, for errors.

    Returns:
        (N, columns) float64.

    Raises:
        PointCloudError: a line is not numeric or has another number of columns; the message gives its number.
    """
    text = "\n".join(lines)
    delimiter = next((sign for sign in ",;" if sign in text), None)
    if delimiter is not None:
        lines = [line.replace(delimiter, " ") for line in lines]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return np.loadtxt(lines, dtype=np.float64, ndmin=2, comments="#")
    except ValueError as error:
        raise PointCloudError(path, _first_bad_line(lines, first_number) or str(error)) from error


def _first_bad_line(lines: list[str], first_number: int) -> str:
    width = 0
    for number, line in enumerate(lines, first_number):
        fields = line.split("#")[0].split()
        if not fields:
            continue
        if not _are_numbers(fields):
            return f"line {number}: {line.strip()[:40]!r} is not a line of numbers"
        width = width or len(fields)
        if len(fields) != width:
            return f"line {number}: {len(fields)} numbers, but {width} on the lines before"
    return ""


def _are_numbers(fields: list[str]) -> bool:
    try:
        for field in fields:
            float(field)
    except ValueError:
        return False
    return True
