"""A finished cache of the sample files, which tests of one module share."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa.datasets import open_dataset
from crossjepa.train.cache import CacheConfig, make_cache
from tests.conftest import SAMPLES
from tests.helpers.teachers import RENDER, small_teacher


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, teacher: str) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "cache"
    make_cache(open_dataset([SAMPLES]), folder, CacheConfig(teacher, "both", RENDER), progress=False)
    return folder
