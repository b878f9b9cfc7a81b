"""Parquet shards: what is written is read, by this library and by others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa.scale.shards import Shard, read_column, read_features, shard_path, shards
from tests.helpers.kills import killed_before

parquet: Any = pytest.importorskip("pyarrow.parquet", reason="the extra `scale` is not installed")


def shard(rows: int = 3, seed: int = 0) -> Shard:
    """A shard whose second file could not be used."""
    features_mE = np.random.default_rng(seed).random((rows - 1, 4), np.float32)
    errors = [None, "is empty", *[None] * (rows - 2)]
    digests = ["ab" * 32, None, *["cd" * 32] * (rows - 2)]
    return Shard([f"{seed}/{row}.ply" for row in range(rows)], digests, features_mE, errors)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    for number in (10, 2):
        shard(seed=number).write(shard_path(tmp_path, number))
    assert [number for number, _ in shards(tmp_path)] == [2, 10]
    names, features_nE, errors = read_features(tmp_path)
    assert names == ["2/0.ply", "2/1.ply", "2/2.ply", "10/0.ply", "10/1.ply", "10/2.ply"]
    assert features_nE.dtype == np.float32
    np.testing.assert_array_equal(features_nE[[0, 2]], shard(seed=2).features_mE)
    np.testing.assert_array_equal(features_nE[[3, 5]], shard(seed=10).features_mE)
    assert np.isnan(features_nE[[1, 4]]).all()
    assert errors == [None, "is empty", None] * 2


def test_other_readers_see_columns_of_plain_types(tmp_path: Path) -> None:
    shard().write(shard_path(tmp_path, 0))
    (tmp_path / "_features.json").write_text("{}")  # Parquet readers leave out what begins like this
    table = parquet.read_table(tmp_path)
    assert [f"{field.name}: {field.type}" for field in table.schema] == [
        "name: string",
        "digest: string",
        "feature: fixed_size_list<element: float>[4]",
        "error: string",
    ]
    assert table["digest"].to_pylist() == ["ab" * 32, None, "cd" * 32]
    assert np.isnan(table["feature"].to_pylist()[1]).all()
    assert table["error"].to_pylist() == [None, "is empty", None]


def test_a_shard_of_files_that_all_failed(tmp_path: Path) -> None:
    failed = Shard(["a", "b"], [None, None], np.zeros((0, 4), np.float32), ["no", "no"])
    failed.write(shard_path(tmp_path, 0))
    assert np.isnan(read_features(tmp_path).features).all()
    assert read_features(tmp_path).features.shape == (2, 4)


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    named = Shard(["caf\udce9.ply"], ["ab"], np.zeros((1, 4), np.float32), [None])
    named.write(shard_path(tmp_path, 0))
    assert read_column(shard_path(tmp_path, 0), "name") == ["caf\\udce9.ply"]


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", b"x" * 2000])
def test_damaged_shards_are_named(tmp_path: Path, content: bytes) -> None:
    shard_path(tmp_path, 3).write_bytes(content)
    with pytest.raises(ValueError, match=r"part-000003\.parquet: is not a shard of features, or is damaged"):
        read_features(tmp_path)


def test_a_table_of_others_is_refused(tmp_path: Path) -> None:
    import pyarrow

    parquet.write_table(pyarrow.table({"name": ["a"]}), shard_path(tmp_path, 0))
    with pytest.raises(ValueError, match=r"part-000000\.parquet: is not a shard of features"):
        read_features(tmp_path)


def test_a_folder_without_shards(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no shards of features"):
        read_features(tmp_path)


def test_a_kill_leaves_the_old_shard_or_the_new_one(tmp_path: Path) -> None:
    path = shard_path(tmp_path, 0)
    shard(seed=1).write(path)
    number = 1
    while killed_before(number, lambda: shard(seed=2).write(path)):
        assert read_features(tmp_path).names[0] in ("1/0.ply", "2/0.ply")
        number += 1
    assert number > 2
    assert read_features(tmp_path).names[0] == "2/0.ply"
