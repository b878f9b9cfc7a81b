"""From a typed function to a command: tyro makes the parser, its errors become one line."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import tyro
from tyro.conf import DisallowNone, OmitArgPrefixes

CONFIG = (OmitArgPrefixes, DisallowNone)

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_RULE = re.compile(r"[\s\u2500-\u257f|+-]*")
_PREFIX = re.compile(r"error parsing ((?!-)[^:]*: )?")  # a name without dashes is no option but a dataclass


class UsageError(ValueError):
    """A command line that cannot be understood; the message says why."""


def bind(function: functools.partial[int], words: Sequence[str], command: str) -> Callable[[], int]:
    """Returns a command with its options, ready to run, or after `--help` one that does nothing.

    Args:
        function: the command, whose parameters are the options, with defaults of its own for some of them.
        words: what follows its name on the command line.
        command: what the user typed before them, such as "crossjepa encode".

    Raises:
        UsageError: an option is unknown, missing or impossible.
    """

    @functools.wraps(function.func)
    def later(*args: Any, **kwargs: Any) -> Callable[[], int]:
        return functools.partial(function.func, *args, **kwargs)

    return parse(functools.partial(later, **function.keywords), words, command) or (lambda: 0)


def parse(kind: Callable[..., Any], words: Sequence[str], command: str, **options: Any) -> Any:
    """Calls `tyro.cli` and turns its report of an error into one line; returns None after `--help`.

    Raises:
        UsageError: an option is unknown, missing or impossible.
    """
    report = io.StringIO()
    try:
        with contextlib.redirect_stderr(report), _wide_report(words):
            return tyro.cli(kind, prog=command, args=words, config=CONFIG, **options)
    except SystemExit as stop:
        if stop.code:
            raise UsageError(f"{_one_line(report.getvalue())} (see `{command} --help`)") from None


def _one_line(report: str) -> str:
    """Returns what a framed report says, without its frame and without the text of the option."""
    sections, rows = list[str](), list[str]()
    for row in _COLOR.sub("", report).splitlines()[1:]:  # the first one is the title
        if _RULE.fullmatch(row):
            sections.append(" ".join(rows))
            rows = []
        else:
            rows.append(row.strip("\u2502| "))
    shown = [text[:1].lower() + text[1:] for text in sections if text]
    shown = [text for text in shown if not text.startswith(("for full helptext", "argument helptext"))]
    return _PREFIX.sub("", "; ".join(shown))


@contextlib.contextmanager
def _wide_report(words: Sequence[str]) -> Any:
    """Keeps long words of an error whole; help has the width of the terminal, or what it needs at least."""
    before = os.environ.get("COLUMNS")
    width = max(shutil.get_terminal_size().columns, 40)  # tyro never ends in a column
    os.environ["COLUMNS"] = str(width) if {"-h", "--help"} & set(words) else "10000"
    try:
        yield
    finally:
        os.environ.pop("COLUMNS", None)
        if before is not None:
            os.environ["COLUMNS"] = before
