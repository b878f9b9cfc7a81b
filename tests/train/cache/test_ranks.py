"""Ranks that share a cache, one after the other: only the last of a run finishes it.

Here they run in one process; `test_work` starts them with torchrun itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from crossjepa.datasets import open_dataset
from crossjepa.datasets.files import FileReader
from crossjepa.train.cache import Cache, CacheConfig, make_cache
from tests.conftest import SAMPLES
from tests.helpers.teachers import small_cache_config

Rank = Callable[..., "Cache | None"]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> CacheConfig:
    return small_cache_config(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Four files; the second and the fourth, which cannot be read, are rank 1's."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("a.obj", "c.obj"):
        shutil.copy(SAMPLES / "chair.obj", folder / name)
    for name in ("b.obj", "d.obj"):
        (folder / name).write_text("v 0 0 0\nf 1 2 3\n")
    return folder


@pytest.fixture
def launch(
    files: Path, tmp_path: Path, config: CacheConfig, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Rank]:
    """Does for two ranks what torchrun does: every launch has a store of its own."""
    stores = []

    def start() -> Rank:
        stores.append(TCPStore("localhost", 0, is_master=True, wait_for_workers=False))
        for name, value in {
            "MASTER_ADDR": "localhost",
            "MASTER_PORT": str(stores[-1].port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "WORLD_SIZE": "2",
        }.items():
            monkeypatch.setenv(name, value)

        def run(rank: int, skip_bad: bool = False) -> Cache | None:
            monkeypatch.setenv("RANK", str(rank))
            cache = tmp_path / "cache"
            return make_cache(open_dataset([files]), cache, config, skip_bad=skip_bad, progress=False)

        return run

    return start


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_notes_of_an_earlier_run_do_not_finish_a_cache(
    launch: Callable[[], Rank], files: Path, order: tuple[int, int]
) -> None:
    rank = launch()
    assert rank(order[0]) is None
    with pytest.raises(ValueError, match="2 of 4 objects cannot be used"):
        rank(order[1])
    shutil.copy(SAMPLES / "horse.obj", files / "b.obj")
    rank = launch()
    assert rank(order[0], skip_bad=True) is None
    cache = rank(order[1], skip_bad=True)
    assert cache is not None
    assert (cache.manifest["names"], cache.manifest["left_out"]) == (["a.obj", "b.obj", "c.obj"], ["d.obj"])


def test_whoever_comes_to_a_finished_cache_waits_for_nobody(launch: Callable[[], Rank]) -> None:
    rank = launch()
    assert [rank(number, skip_bad=True) is None for number in (0, 1)] == [True, False]
    assert [rank(number, skip_bad=True) is None for number in (0, 1)] == [False, False]


def test_files_are_looked_at_when_a_rank_starts_makes_a_row_and_finishes(
    launch: Callable[[], Rank], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    fingerprint = FileReader.fingerprint

    def counted(self: FileReader, row: int) -> int:
        looked_at.append(row)
        return fingerprint(self, row)

    monkeypatch.setattr(FileReader, "fingerprint", counted)
    rank = launch()
    assert rank(0, skip_bad=True) is None
    assert sorted(looked_at) == [0, 0, 1, 2, 2, 3]
    looked_at.clear()
    assert rank(1, skip_bad=True) is not None
    assert sorted(looked_at) == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
