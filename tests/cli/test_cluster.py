"""Options of commands that can run on a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa.cli.cluster import Cluster
from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES


def test_the_engine_gets_what_was_given() -> None:
    config = Cluster("ray", "10.0.0.1:6379", 2, 0.25).config(4, "cuda")
    assert (config.address, config.workers, config.device) == ("10.0.0.1:6379", 4, "cuda")
    assert (config.cpus_per_worker, config.gpus_per_worker) == (2, 0.25)
    Cluster().require_local("no reason")


def test_a_file_is_not_written_by_a_cluster(run: Run, tmp_path: Path) -> None:
    message = only_error(run("encode", SAMPLES, "-o", tmp_path / "out.npz", "--engine", "ray"))
    assert "--engine ray cannot be used here: it writes Parquet shards: give a folder with -o" in message


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--workers", "0"), "a cluster needs at least 1 worker, not 0"),
        (("--cpus-per-worker", "0"), "cpus_per_worker must be positive, not 0.0"),
        (("--gpus-per-worker", "-1"), "gpus_per_worker must not be negative, not -1.0"),
    ],
)
def test_numbers_that_cannot_be(run: Run, tmp_path: Path, options: tuple[str, ...], word: str) -> None:
    message = only_error(run("encode", SAMPLES, "-o", tmp_path / "out/", "--engine", "ray", *options))
    assert word in message
