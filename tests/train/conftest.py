"""What the tests of pretraining share."""

from __future__ import annotations

import pytest

from crossjepa.train.pretrain.config import PretrainConfig
from tests.helpers.small_cache import CONFIG, make_cache


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PretrainConfig:
    """A small recipe with its cache."""
    folder = tmp_path_factory.mktemp("cache") / "cache"
    make_cache(folder)
    return CONFIG.change(cache=str(folder))


@pytest.fixture
def pictures() -> None:
    """Asked for by tests in which matplotlib draws, if it is installed."""


@pytest.fixture(autouse=True)
def _pictures_only_where_asked_for(request: pytest.FixtureRequest) -> None:
    if "pictures" not in request.fixturenames:
        request.getfixturevalue("without_pictures")
