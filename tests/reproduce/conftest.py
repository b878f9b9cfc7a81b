"""The scripts in examples/reproduce import each other by their bare names, and so do their tests."""

from __future__ import annotations

import sys

from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "examples" / "reproduce"))
