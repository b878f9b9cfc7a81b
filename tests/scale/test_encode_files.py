"""Features of many files: the rows of `encode`, resumed after kills, and folders in use."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder, FolderInUseError, PointCloudError, read_features
from crossjepa.scale.encode_files import encode_files
from crossjepa.scale.feature_folder import EncodeOptions
from crossjepa.scale.shards import read_column, shards
from tests.helpers.kills import user_of
from tests.helpers.many_files import bad_names, write_clouds

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")
KILLED_FILES = int(os.environ.get("CROSSJEPA_KILLED_FILES", "120"))
KILLS = int(os.environ.get("CROSSJEPA_KILLS", "3"))


def test_rows_are_those_of_encode(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    files = write_clouds(tmp_path / "clouds", 20)
    errors = list[PointCloudError]()
    options = EncodeOptions(pool="mean", normalize=True, up_axis="z", batch_size=3)
    made = encode_files(
        tiny, [*files, files[0]], tmp_path / "out", options, shard_size=8, on_failure=errors.append
    )
    assert (made.files, made.failures, made.resumed) == (20, 3, 0)
    found = read_features(tmp_path / "out")
    expected = tiny.encode(
        files, pool="mean", normalize=True, up_axis="z", batch_size=3, on_error=lambda row, error: None
    )
    np.testing.assert_allclose(found.features, expected, atol=1e-5)
    assert found.names == [str(file) for file in files]
    assert [error.source for error in errors] == bad_names(files)
    assert [error for error in found.errors if error] == [error.reason for error in errors]
    digests = [digest for _, path in shards(tmp_path / "out") for digest in read_column(path, "digest")]
    assert digests == [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def test_a_file_that_is_absent_has_no_digest(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    assert encode_files(tiny, ["no-such.ply"], tmp_path / "out").failures == 1
    ((_, path),) = shards(tmp_path / "out")
    assert (read_column(path, "digest"), read_column(path, "error")) == ([None], ["no such file"])


def test_finished_shards_are_not_made_again(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    files = write_clouds(tmp_path / "clouds", 20)
    encode_files(tiny, files, tmp_path / "out", shard_size=8)
    paths = [path for _, path in shards(tmp_path / "out")]
    complete = [path.read_bytes() for path in paths]
    paths[1].unlink()
    files[0].unlink()  # of a finished shard
    seen = list[Any]()
    again = encode_files(tiny, files, tmp_path / "out", shard_size=8, on_failure=seen.append)
    assert (again.files, again.failures, again.resumed) == (20, 3, 12)
    assert [path.read_bytes() for path in paths] == complete
    assert [error.source for error in seen] == bad_names(files)[1:2]
    again = encode_files(tiny, files, tmp_path / "out", shard_size=8)
    assert (again.resumed, again.clouds_per_second) == (20, 0)


def test_numbers_that_cannot_be_worked_with(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shard_size must be at least 1, not 0"):
        encode_files(tiny, [], tmp_path / "out", shard_size=0)
    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        encode_files(tiny, [], tmp_path / "out", EncodeOptions(batch_size=0))
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_refused(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    files = write_clouds(tmp_path / "clouds", 2)
    user = user_of(tmp_path / "out")
    try:
        with pytest.raises(FolderInUseError, match=f"another run .process {user.pid}."):
            encode_files(tiny, files, tmp_path / "out")
    finally:
        user.communicate()
    assert encode_files(tiny, files, tmp_path / "out").files == 2


@pytest.mark.slow
def test_workers_change_no_bit(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    files = write_clouds(tmp_path / "clouds", 300, points=2000)
    for workers in (0, 2):
        encode_files(tiny, files, tmp_path / str(workers), shard_size=100, workers=workers)
    for number, path in shards(tmp_path / "0"):
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes(), number


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_rows(
    tiny: CrossJEPAEncoder, tmp_path: Path
) -> None:
    """At random moments; CROSSJEPA_KILLS says how often, CROSSJEPA_KILLED_FILES of how many files."""
    files = write_clouds(tmp_path / "clouds", KILLED_FILES, points=2000)
    tiny.save_pretrained(tmp_path / "tiny")
    size = max(4, KILLED_FILES // 75)
    tiny = CrossJEPAEncoder.from_pretrained(tmp_path / "tiny")
    expected_run = encode_files(tiny, files, tmp_path / "expected", shard_size=size)
    seconds_per_shard = expected_run.seconds / count(tmp_path / "expected")
    out, moments, kills = tmp_path / "out", random.Random(0), 0
    command: list[str | Path] = [
        sys.executable, "-m", "crossjepa", "encode", tmp_path / "clouds", "-m", tmp_path / "tiny", "-o", out,
        "--shard-size", str(size), "--workers", "1", "--device", "cpu", "--quiet",
    ]  # fmt: skip
    while kills < KILLS:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        enough = count(out) + moments.randrange(1, 4)
        while process.poll() is None and count(out) < enough:
            time.sleep(0.002)
        time.sleep(moments.random() * seconds_per_shard)
        process.kill()
        assert process.wait() < 0, "ended before it was killed"
        kills += 1
    assert (
        subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 1
    )  # some files are bad
    expected, found = read_features(tmp_path / "expected"), read_features(out)
    assert found.names == expected.names == [str(file) for file in files]
    assert found.errors == expected.errors
    np.testing.assert_array_equal(found.features, expected.features)
    assert not list(out.glob(".*"))


def count(folder: Path) -> int:
    return len(list(shards(folder))) if folder.is_dir() else 0
