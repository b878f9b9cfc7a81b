"""The blocks of code in documents, and the commands in them.

A comment before a block, `<!-- not run: REASON -->`, exempts it; `<!-- no block is run: REASON -->` exempts
all blocks of a page.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import NamedTuple

from tests.conftest import REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "MODEL_CARD.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
_BLOCK = re.compile(
    r"(?P<comments>(?:^<!-- .*? -->\n)*)^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_REASON = re.compile(r"<!-- not run: (.+?) -->")
_PAGE_REASON = re.compile(r"^<!-- no block is run: (.+?) -->$", re.MULTILINE)
_INSTALL = re.compile(r"^pip install .*?(?:&& |\n|$)", re.MULTILINE)
_PREFIX = ("torchrun", "-m")  # torchrun --nproc-per-node 4 -m crossjepa ...


class Block(NamedTuple):
    """A block of code.

    Attributes:
        line: where it begins, from 1.
        language: what stands behind the three backticks.
        code: its lines.
        why_not: why it is not run, "" if it is.
    """

    line: int
    language: str
    code: str
    why_not: str

    @property
    def shell(self) -> str:
        """Its code, less what installs packages: test_packaging.py and .ci/run are about that."""
        return _INSTALL.sub("", self.code)


def blocks(page: Path) -> Iterator[Block]:
    """Finds the blocks of Python and shell code of a page, in order."""
    text = page.read_text(encoding="utf-8")
    of_page = _PAGE_REASON.search(text)
    for found in _BLOCK.finditer(text):
        language = {"bash": "sh"}.get(found["language"], found["language"])
        if language in ("python", "sh"):
            reason = _REASON.search(found["comments"]) or of_page
            line = text.count("\n", 0, found.start("code"))
            yield Block(line, language, found["code"], reason[1] if reason else "")


def commands(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Finds what the shell blocks of a page call `crossjepa` with: line of the block, and words."""
    variables = _assigned(page.read_text(encoding="utf-8"), {})
    for block in blocks(page):
        if block.language == "sh":
            for line in block.code.replace("\\\n", " ").splitlines():
                variables |= _assigned(line, variables)
                for part in re.split(r" && | \| |; ", line):
                    words = shlex.split(Template(part).safe_substitute(variables), comments=True)
                    if words and words[0] == _PREFIX[0] and _PREFIX[1] in words:
                        words = words[words.index(_PREFIX[1]) + 1 :]
                    if words[:1] == ["crossjepa"]:
                        yield block.line, words[1:]


def mentions(page: Path) -> Iterator[list[str]]:
    """Finds the commands in the text of a page, between backticks, less those with dots."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    for found in re.findall(r"`crossjepa ([^`]+)`", text.replace("\n", " ")):
        if "..." not in found:
            yield shlex.split(found)


def _assigned(line: str, variables: dict[str, str]) -> dict[str, str]:
    """Returns what a line, or the text of a page between backticks, gives to variables of the shell."""
    found = re.findall(r'(?:^|`)([A-Z0-9]+)="([^"]*)"', line)
    return {name: Template(value).safe_substitute(variables) for name, value in found}
