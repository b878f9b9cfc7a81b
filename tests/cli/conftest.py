"""Running commands in this process, and reading what they print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from crossjepa.cli.main import main


class Printed(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


Run = Callable[..., Printed]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process."""

    def run(*words: str | Path) -> Printed:
        code = main([str(word) for word in words])
        return Printed(code, *capsys.readouterr())

    return run


def only_error(printed: Printed) -> str:
    """Returns the message of a command that only failed: one line in the one style, exit code 2."""
    assert (printed.code, printed.out) == (2, "")
    assert printed.err.startswith("crossjepa: error: ")
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("crossjepa: error: ").strip()
