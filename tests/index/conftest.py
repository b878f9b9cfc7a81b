"""What the tests of the index share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.search_data import SearchData, write_search_data


@pytest.fixture
def data(tmp_path: Path) -> SearchData:
    """A tiny model with views, its teacher, and three meshes."""
    pytest.importorskip("lancedb", reason="the extra `search` is not installed")
    return write_search_data(tmp_path)
