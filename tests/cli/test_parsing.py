"""From a typed function to a command."""

from __future__ import annotations

from functools import partial

import pytest

from crossjepa.cli.main import main
from crossjepa.cli.parsing import UsageError, bind


def add(first: int, second: int = 2) -> int:
    """Adds.

    Args:
        first: one.
        second: another.
    """
    return first + second


def test_a_command_runs_after_it_was_parsed() -> None:
    assert bind(partial(add), ["--first", "1"], "add")() == 3
    assert bind(partial(add, second=5), ["--first=1"], "add")() == 6
    assert bind(partial(add, second=5), ["--second", "3", "--first", "1"], "add")() == 4


def test_help_shows_the_given_defaults_and_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert bind(partial(add, second=5), ["--help"], "add")() == 0
    help = capsys.readouterr().out
    assert "Adds." in help
    assert "another. (default: 5)" in help


@pytest.mark.parametrize(("columns", "terminal"), [("40", "xterm"), (None, "dumb")])
def test_reports_are_one_line(
    columns: str | None, terminal: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setenv("COLUMNS", columns) if columns else monkeypatch.delenv("COLUMNS", raising=False)
    with pytest.raises(UsageError) as raised:
        bind(partial(add), ["--first", "1", "--secnd", "/a/rather/long/path/that/fills/a/row"], "add")
    assert str(raised.value) == (
        "unrecognized options: --secnd, /a/rather/long/path/that/fills/a/row; perhaps you meant: "
        "--second INT another. (default: 2) (see `add --help`)"
    )
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("columns", ["1", "40", "200"])
def test_help_ends_in_a_terminal_of_any_width(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["encode", "--help"]) == 0
    assert "--per-point" in capsys.readouterr().out
