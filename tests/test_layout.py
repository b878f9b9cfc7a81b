"""The tests mirror the package: tests/<room>/test_<module>.py for every module."""

from __future__ import annotations

from pathlib import Path

import crossjepa
from tests.conftest import REPOSITORY

PACKAGE = Path(crossjepa.__file__).parent
# Tested through what uses them, by the file beside each.
ELSEWHERE: dict[str, str] = {}


def test_every_module_has_its_test_file() -> None:
    lacking = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stem.startswith("_"):
            continue
        module = path.relative_to(PACKAGE)
        mirror = module.with_name(f"test_{module.name}")
        tested_by = ELSEWHERE.get(module.as_posix(), mirror.as_posix())
        if not (REPOSITORY / "tests" / tested_by).is_file():
            lacking.append(f"{module.as_posix()} lacks tests/{tested_by}")
    assert not lacking, "\n".join(lacking)


def test_exceptions_are_needed() -> None:
    assert all((PACKAGE / module).is_file() for module in ELSEWHERE)
