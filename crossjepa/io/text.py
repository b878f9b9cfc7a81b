"""Text in any of the usual encodings, and parsers of lines of numbers for all text formats.

N points, P polygons of the same k corners
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.content import read_content
from crossjepa.io.numerals import to_number
from crossjepa.io.shapes import Groups

_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\0\0": "utf-32-le",
    b"\0\0\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_LINE_END = re.compile(r"\r\n?")
_COMMENT = re.compile(r"(?<![0-9]\.)#(?!(?:N/?A|NUM!|VALUE!|DIV/0!|REF!|NULL!|NAME\?))")
_TWO_BYTES = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
_TYPOGRAPHY = frozenset(b"\x80\x82\x84\x85\x8b\x91\x92\x93\x94\x95\x96\x97\x99\x9b")


def read_text_file(path: Path) -> str:
    """Reads the text of a file in any of the usual encodings, see `decode`.

    Raises:
        PointCloudError: the file is missing or is not text.
    """
    if not path.is_file():
        raise PointCloudError(path, "no such file")
    try:
        return decode(read_content(path), path)
    except OSError as error:
        raise PointCloudError(path, f"cannot be read ({error.strerror or error})") from error


def decode(content: bytes, path: Path) -> str:
    r"""Decodes text: by its byte order mark, or as UTF-8, UTF-16, GBK, Shift-JIS or Latin-1.

    Numbers and keywords are ASCII in all of them, so a wrong guess can only garble names. Lines end in \n.

    Raises:
        PointCloudError: it is not text.
    """
    mark = next((mark for mark in _BYTE_ORDER_MARKS if content.startswith(mark)), b"")
    encoding = _BYTE_ORDER_MARKS[mark] if mark else _guess_encoding(content)
    content = content[len(mark) :]
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise PointCloudError(path, f"not a text file (byte {error.start} is not {encoding})") from error
    if "\0" in text:
        raise PointCloudError(path, "not a text file (it contains zero bytes)")
    return _LINE_END.sub("\n", text) if "\r" in text else text


def to_ascii(content: bytes, path: Path) -> bytes:
    """Returns the content of a file with an ASCII header, without what editors add: a mark, or UTF-16."""
    mark = next((mark for mark in _BYTE_ORDER_MARKS if content.startswith(mark)), b"")
    if mark and _BYTE_ORDER_MARKS[mark] != "utf-8":
        return decode(content, path).encode("latin-1", "replace")
    return content[len(mark) :]


def split_lines(text: str) -> list[str]:
    """Splits text at line ends, but not at other signs that Unicode counts as such, as names contain them."""
    lines = (_LINE_END.sub("\n", text) if "\r" in text else text).split("\n")
    return lines if lines[-1] else lines[:-1]


def _guess_encoding(content: bytes) -> str:
    if content.count(b"\0") * 4 > len(content):  # in UTF-16, every other byte of an ASCII letter
        return "utf-16-le" if content[1::2].count(b"\0") > content[::2].count(b"\0") else "utf-16-be"
    try:
        content.decode()
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    pairs = [pair for pair in _TWO_BYTES.findall(content) if pair]
    # Of GBK, common Chinese characters only, which are rows 0xB0 to 0xD7: accented letters seldom form those.
    chinese = sum(0xB0 <= pair[0] <= 0xD7 and pair[1] >= 0xA1 for pair in pairs)
    if chinese * 5 >= len(pairs) * 4 and _decodes(content, "gbk"):
        return "gbk"
    # Latin-1 has no letters from 0x80 to 0x9F, and Windows has only typography there.
    japanese = sum(0x81 <= pair[0] <= 0x9F and pair[0] not in _TYPOGRAPHY for pair in pairs)
    if japanese and _decodes(content, "cp932"):
        return "cp932"
    return "cp1252" if _decodes(content, "cp1252") else "latin-1"


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def line_of(text: str, pattern: re.Pattern[str]) -> Callable[[int], int]:
    """Returns what maps the index of a match of a pattern to its line number in the text, for errors."""

    def number(index: int) -> int:
        starts = [match.start(1) for match in pattern.finditer(text)]
        return text.count("\n", 0, starts[index]) + 1

    return number


def read_numbers(path: Path) -> NDArray[np.float64]:
    """Reads a file of lines of numbers into a table, as `parse_numbers` does."""
    return parse_numbers(path, split_lines(read_text_file(path)), lambda index: index + 1)


def parse_numbers(
    path: Path, lines: list[str], line_number: Callable[[int], int], columns: Sequence[int] | None = None
) -> NDArray[np.float64]:
    """Parses lines of numbers into a table; NaN in any spelling is NaN, and decimal commas are understood.

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
    first = next((line for line in lines if line.split("#")[0].strip()), "").split("#")[0]
    separator = next((sign for sign in ";," if sign in first), None)
    # Spreadsheets write a separator after the last number too, which is no empty column.
    if separator and first.rstrip().endswith(separator):
        lines = [line.rstrip().removesuffix(separator) for line in lines]
    if not any(".#" in line for line in lines):  # Windows' NaN, of which 1. would be left
        with contextlib.suppress(ValueError):
            return _load(lines, np.float64, separator, columns)
    return _parse_one_by_one(path, lines, line_number, separator, columns)


def _parse_one_by_one(
    path: Path,
    lines: list[str],
    line_number: Callable[[int], int],
    separator: str | None,
    columns: Sequence[int] | None,
) -> NDArray[np.float64]:
    rows, width = list[list[float]](), max(columns) + 1 if columns else 0
    for index, line in enumerate(lines):
        content = without_comment(line).strip()
        if not content:
            continue
        fields = content.split(separator)
        # With decimal commas, spaces separate the numbers.
        if separator == "," and any(len(field.split()) > 1 for field in fields):
            fields = content.split()
        try:
            numbers = [to_number(field) for field in (fields[:width] if columns else fields)]
        except ValueError as error:
            reason = f"line {line_number(index)}: {content[:40]!r} is not a line of numbers"
            raise PointCloudError(path, reason) from error
        width = width or len(numbers)
        if len(numbers) != width:
            raise PointCloudError(
                path, f"line {line_number(index)}: {len(numbers)} numbers, expected {width}"
            )
        rows.append(numbers)
    table = np.array(rows, np.float64).reshape(len(rows), -1 if rows else width or 3)
    return np.ascontiguousarray(table[:, list(columns)]) if columns else table


def without_comment(line: str) -> str:
    """Returns a line without its comment, which a # begins, but not that of 1.#QNAN, Windows' NaN."""
    return _COMMENT.split(line, maxsplit=1)[0] if "#" in line else line


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
