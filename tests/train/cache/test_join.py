"""Caches of different teachers that become one."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossjepa.datasets import open_dataset
from crossjepa.files import write_json
from crossjepa.train.cache import (
    ARRAYS,
    Cache,
    CacheConfig,
    DenseConfig,
    check_cache,
    join_teachers,
    make_cache,
    open_cache,
    partial_folder,
)
from crossjepa.train.cache.manifest import seal
from crossjepa.train.cache.teacher import Embedding
from crossjepa.train.render.views import RenderConfig
from tests.conftest import SAMPLES
from tests.helpers import small_cache
from tests.helpers.teachers import RENDER, small_teacher

KINDS: tuple[Embedding, ...] = ("both", "layers", "cls")


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("teachers")
    return [small_teacher(folder, name) for name in ("test_vit", "test_efficientnet", "test_resnet")]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two objects, and one that cannot be read and is left out."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("chair.obj", "horse.obj"):
        shutil.copy(SAMPLES / name, folder)
    (folder / "dog.obj").write_text("v 0 0 0\nf 1 2 3\n")
    return folder


Make = Callable[..., Cache]


@pytest.fixture(scope="module")
def make(files: Path) -> Make:
    def run(folder: Path, config: CacheConfig) -> Cache:
        cache = make_cache(open_dataset([files]), folder, config, skip_bad=True, progress=False)
        assert cache is not None
        return cache

    return run


@pytest.fixture(scope="module")
def singles(tmp_path_factory: pytest.TempPathFactory, make: Make, teachers: list[str]) -> list[Path]:
    """A cache of each teacher."""
    folder = tmp_path_factory.mktemp("singles")
    for teacher, kind in zip(teachers, KINDS, strict=True):
        make(folder / kind, CacheConfig(teacher, kind, RENDER))
    return [folder / kind for kind in KINDS]


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory, make: Make, teachers: list[str]) -> Path:
    """The cache of all three, made in one pass."""
    folder = tmp_path_factory.mktemp("at_once") / "cache"
    make(folder, CacheConfig(teachers, KINDS, RENDER))
    return folder


def assert_same(found: Path, expected: Path) -> None:
    for name in ARRAYS:
        assert (found / f"{name}.npy").read_bytes() == (expected / f"{name}.npy").read_bytes(), name
    assert open_cache(found).manifest == open_cache(expected).manifest
    assert check_cache(found).problems == []


def test_the_result_is_what_one_pass_makes(
    singles: list[Path], at_once: Path, tmp_path: Path, make: Make, teachers: list[str]
) -> None:
    joined = join_teachers(singles, tmp_path / "cache")
    assert joined.hash == open_cache(at_once).hash
    assert joined.manifest["left_out"] == ["dog.obj"]
    assert_same(tmp_path / "cache", at_once)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    stamp = (tmp_path / "cache" / "embeddings.npy").stat().st_mtime_ns
    join_teachers(singles, tmp_path / "cache")  # nothing is left to do, for either command
    make(tmp_path / "cache", CacheConfig(teachers, KINDS, RENDER))
    assert (tmp_path / "cache" / "embeddings.npy").stat().st_mtime_ns == stamp


def test_caches_of_several_teachers_are_joined_too(
    singles: list[Path], at_once: Path, tmp_path: Path
) -> None:
    join_teachers(singles[:2], tmp_path / "two")
    join_teachers([tmp_path / "two", singles[2]], tmp_path / "three")
    assert_same(tmp_path / "three", at_once)
    with pytest.raises(ValueError, match="cache of another recipe"):
        join_teachers([singles[2], tmp_path / "two"], tmp_path / "three")
    assert_same(tmp_path / "three", at_once)


def test_rows_of_an_interrupted_run_are_written_again(
    singles: list[Path], at_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_row = Cache.write_row

    def interrupted(self: Cache, row: int, *arrays: Any, **more: Any) -> None:
        if row == 1:
            raise KeyboardInterrupt
        write_row(self, row, *arrays, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Cache, "write_row", interrupted)
        with pytest.raises(KeyboardInterrupt):
            join_teachers(singles, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    half = open_cache(partial_folder(tmp_path / "cache"), writable=True)
    assert half.done_S.tolist() == [True, False]
    half.embeddings_SVD[0] = 0
    join_teachers(singles, tmp_path / "cache")
    assert_same(tmp_path / "cache", at_once)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_run_is_finished_by_the_same_call(
    singles: list[Path], at_once: Path, tmp_path: Path
) -> None:
    for delay in (0.002, 0.005, 0.01, 0.02, 0.04):
        child = os.fork()
        if child == 0:
            try:
                join_teachers(singles, tmp_path / "cache")
            finally:
                os._exit(0)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    join_teachers(singles, tmp_path / "cache")
    assert_same(tmp_path / "cache", at_once)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_other_pictures_points_or_objects_are_refused_by_name(
    singles: list[Path], tmp_path: Path, make: Make, teachers: list[str], files: Path
) -> None:
    make(tmp_path / "sphere", CacheConfig(teachers[1], "cls", RenderConfig("sphere", 32, stored_points=64)))
    with pytest.raises(ValueError, match=r"cannot be joined: their render differ: .*mvcnn12.*sphere"):
        join_teachers([singles[0], tmp_path / "sphere"], tmp_path / "joined")
    config = CacheConfig(teachers[1], "cls", RENDER)
    assert make_cache(open_dataset([files / "horse.obj"]), tmp_path / "horse", config, progress=False)
    with pytest.raises(ValueError, match="cannot be joined: their data differ"):
        join_teachers([singles[0], tmp_path / "horse"], tmp_path / "joined")
    with pytest.raises(FileNotFoundError, match="nowhere: no cache"):
        join_teachers([singles[0], tmp_path / "nowhere"], tmp_path / "joined")
    assert not list(tmp_path.glob("*joined*"))


def changed(source: Path, folder: Path, array: str) -> Path:
    """Copies a cache with another number in the second row, and the right checksums for it."""
    shutil.copytree(source, folder)
    cache = open_cache(folder, writable=True)
    getattr(cache, array)[1].flat[0] += 0.25
    assert cache.checksums_S is not None
    cache.checksums_S[1] = cache.row_checksum(1)
    write_json(folder / "manifest.json", {**cache.manifest, "seal": seal(cache.manifest)})
    return folder


@pytest.mark.parametrize("array", ["points_SP3", "poses_SV5", "histograms_SVH"])
def test_rows_are_compared_bit_by_bit(singles: list[Path], tmp_path: Path, array: str) -> None:
    other = changed(singles[1], tmp_path / "other", array)
    with pytest.raises(
        ValueError, match=rf"cannot be joined: the {array.partition('_')[0]} of horse\.obj differ"
    ):
        join_teachers([singles[0], other], tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


def test_damaged_caches_are_named(singles: list[Path], tmp_path: Path) -> None:
    shutil.copytree(singles[1], tmp_path / "other")
    open_cache(tmp_path / "other", writable=True).embeddings_SVD[1, 0, 0] = 77
    with pytest.raises(ValueError, match=r"other: horse\.obj is damaged"):
        join_teachers([singles[0], tmp_path / "other"], tmp_path / "joined")


def test_arrays_that_would_be_lost_are_named(singles: list[Path], tmp_path: Path) -> None:
    shutil.copytree(singles[1], tmp_path / "other")
    shutil.copy(singles[1] / "done.npy", tmp_path / "other" / "more.npy")
    with pytest.raises(ValueError, match="other: cannot be joined, it also holds more"):
        join_teachers([singles[0], tmp_path / "other"], tmp_path / "joined")


def test_a_teacher_cannot_be_there_twice(singles: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the teacher test_vit is given twice"):
        join_teachers([singles[0], singles[0]], tmp_path / "joined")
    with pytest.raises(ValueError, match="at least two caches"):
        join_teachers(singles[:1], tmp_path / "joined")


def test_caches_of_format_1_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        cache = small_cache.make_cache(tmp_path / name, teacher=f"{name}.safetensors")
        recipe = {"teacher": f"{name}.safetensors"}
        write_json(tmp_path / name / "manifest.json", {**cache.manifest, "format": 1, "recipe": recipe})
    with pytest.raises(ValueError, match="cannot be joined: one is of format 1; make it again"):
        join_teachers([tmp_path / "a", tmp_path / "b"], tmp_path / "joined")


def test_dense_targets_are_those_of_the_first_cache(
    make: Make, teachers: list[str], singles: list[Path], tmp_path: Path
) -> None:
    dense = DenseConfig(points=20, channels=3)
    make(tmp_path / "dense", CacheConfig(teachers[0], KINDS[0], RENDER, dense))
    make(tmp_path / "once", CacheConfig(teachers[:2], KINDS[:2], RENDER, dense))
    join_teachers([tmp_path / "dense", singles[1]], tmp_path / "joined")
    assert check_cache(tmp_path / "joined").problems == []
    names = sorted(path.name for path in (tmp_path / "once").glob("*.npy"))
    assert {"dense.npy", "dense_seen.npy", "dense_basis.npy"} < set(names)
    for name in names:
        assert (tmp_path / "joined" / name).read_bytes() == (tmp_path / "once" / name).read_bytes(), name
    assert open_cache(tmp_path / "joined").hash == open_cache(tmp_path / "once").hash
    with pytest.raises(ValueError, match="dense targets are those of the first cache, which has none"):
        join_teachers([singles[1], tmp_path / "dense"], tmp_path / "other")
