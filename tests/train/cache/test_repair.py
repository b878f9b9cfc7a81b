"""Files that are repaired or changed: a cache continues with the rest, and knows what it was made of."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import Sample, open_dataset
from crossjepa.datasets.files import FileReader
from crossjepa.hashing import text_digest
from crossjepa.train.cache import Cache, CacheConfig, check_cache, make_cache, open_cache, partial_folder
from crossjepa.train.render.render_files import render_files
from tests.conftest import SAMPLES
from tests.helpers.teachers import small_cache_config

GOOD = ("chair.obj", "horse.obj", "plane.obj")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> CacheConfig:
    return small_cache_config(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three files that are fine, and in their middle one that is not."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name, source in zip(GOOD, sorted(SAMPLES.glob("*.obj")), strict=False):
        shutil.copy(source, folder / name)
    (folder / "fine.obj").write_text("v 0 0 0\nf 1 2 3\n")
    return folder


def make(files: Path, folder: Path, config: CacheConfig, *, skip_bad: bool = False) -> Cache:
    cache = make_cache(open_dataset([files]), folder, config, skip_bad=skip_bad, progress=False)
    assert cache is not None
    return cache


def begin(files: Path, folder: Path, config: CacheConfig) -> Cache:
    """Makes the three rows that can be made, and marks them, so that rows that are made again are seen."""
    with pytest.raises(ValueError, match="1 of 4 objects cannot be used; repair them and run again"):
        make(files, folder, config)
    cache = open_cache(partial_folder(folder), writable=True)
    assert cache.checksums_S is not None
    for row in cache.done_rows(0, 1):
        cache.poses_SV5[row, :, 0] = 77
        cache.checksums_S[row] = cache.row_checksum(row)
    return cache


def marked(cache: Cache) -> list[str]:
    kept = np.flatnonzero((cache.poses_SV5[:, :, 0] == 77).all(axis=1))
    return [cache.manifest["names"][row] for row in kept]


def test_a_repaired_file_leaves_finished_objects_as_they_are(
    files: Path, tmp_path: Path, config: CacheConfig
) -> None:
    folder = tmp_path / "cache"
    begin(files, folder, config)
    (files / "fine.obj").write_bytes((files / "horse.obj").read_bytes())
    cache = make(files, folder, config)
    assert marked(cache) == list(GOOD)
    direct = make(files, tmp_path / "direct", config)
    np.testing.assert_array_equal(cache.embeddings_SVD[1], direct.embeddings_SVD[1])
    assert cache.hash == direct.hash
    assert check_cache(folder).problems == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in (tmp_path / "direct").iterdir()
    )


def test_an_object_whose_file_has_changed_is_made_again(
    files: Path, tmp_path: Path, config: CacheConfig
) -> None:
    folder = tmp_path / "cache"
    begin(files, folder, config)
    (files / "chair.obj").write_bytes((files / "horse.obj").read_bytes() + b"\n")
    cache = make(files, folder, config, skip_bad=True)
    assert marked(cache) == ["horse.obj", "plane.obj"]
    assert cache.manifest["left_out"] == ["fine.obj"]


@pytest.mark.parametrize("name", ["chair.obj", "fine.obj"])
def test_a_finished_cache_knows_the_files_it_was_made_of(
    files: Path, tmp_path: Path, config: CacheConfig, name: str
) -> None:
    folder = tmp_path / "cache"
    cache = make(files, folder, config, skip_bad=True)
    make(files, folder, config, skip_bad=True)
    sizes = [f"{path.name} {path.stat().st_size}" for path in sorted(files.iterdir())]
    # As folders have always been described, so that caches that an earlier version finished stay finished.
    assert cache.manifest["recipe"]["data"] == {"kind": "files", "up_axis": "y", "names": text_digest(sizes)}
    (files / name).write_bytes((files / name).read_bytes() + b"\n")
    with pytest.raises(ValueError, match="of another recipe or of files that have changed"):
        make(files, folder, config, skip_bad=True)


def test_a_file_that_changes_while_the_cache_is_made_is_noticed(
    files: Path, tmp_path: Path, config: CacheConfig
) -> None:
    class Restless(FileReader):
        def read(self, row: int) -> Sample:
            if self.paths[row].name == "plane.obj":
                self.paths[0].write_bytes(self.paths[0].read_bytes() + b"\n")
            return super().read(row)

    folder, dataset = tmp_path / "cache", open_dataset([files])
    restless = replace(dataset, reader=Restless(dataset.files, color=True))
    with pytest.raises(ValueError, match=r"1 files have changed while they were cached, such as chair\.obj"):
        make_cache(restless, folder, config, skip_bad=True, progress=False)
    assert not folder.exists()
    assert make(files, folder, config, skip_bad=True).manifest["names"] == list(GOOD)


def test_a_cache_that_was_killed_before_it_got_its_name_is_finished(
    files: Path, tmp_path: Path, config: CacheConfig
) -> None:
    folder = tmp_path / "cache"
    (files / "fine.obj").unlink()
    made = make(files, folder, config)
    folder.rename(partial_folder(folder))
    assert make(files, folder, config).manifest == made.manifest


def test_a_cache_that_an_earlier_version_began_is_gone_on_with(
    files: Path, tmp_path: Path, config: CacheConfig
) -> None:
    folder, partial = tmp_path / "cache", partial_folder(tmp_path / "cache")
    hash_of_finished = make(files, tmp_path / "other", config, skip_bad=True).hash
    begin(files, folder, config)
    manifest = json.loads((partial / "manifest.json").read_text())
    (partial / "manifest.json").write_text(json.dumps({**manifest, "recipe_hash": hash_of_finished}))
    (partial / "sources.npy").unlink()
    cache = make(files, folder, config, skip_bad=True)
    assert marked(cache) == list(GOOD)
    assert check_cache(folder).problems == []


def test_pictures_with_other_numbers_of_views_do_not_go_on_with_a_cache(
    files: Path, tmp_path: Path, config: CacheConfig
) -> None:
    views, folder = tmp_path / "views", tmp_path / "cache"
    render_files([files], views, config.render)
    (views / "chair" / "points.npy").write_bytes(b"")
    with pytest.raises(ValueError, match="1 of 3 objects cannot be used"):
        make_cache(open_dataset([views]), folder, config, progress=False)
    render_files([files], views, replace(config.render, rig="orbit8"))
    reason = f"{partial_folder(folder)}: unfinished cache of 12 views per object, not 8; remove it"
    with pytest.raises(ValueError, match=re.escape(reason)):
        make_cache(open_dataset([views]), folder, config, progress=False)
