"""The same shards from a Ray cluster of several nodes, of which one is killed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder, read_features
from crossjepa.cli.main import main
from crossjepa.scale.encode_files import encode_files
from crossjepa.scale.encode_on_ray import encode_on_ray
from crossjepa.scale.ray_engine import RayConfig
from crossjepa.scale.shards import shards
from tests.helpers.many_files import bad_names, write_clouds
from tests.helpers.ray_cluster import node_killed_when, small_cluster

pytestmark = pytest.mark.slow
pytest.importorskip("ray.data", reason="the extra `ray` is not installed")


@pytest.fixture
def cluster() -> Iterator[Any]:
    with small_cluster() as made:
        yield made


def test_nothing_is_lost_and_nothing_is_there_twice_if_a_node_is_killed(
    tiny: CrossJEPAEncoder, tmp_path: Path, cluster: Any
) -> None:
    files = write_clouds(tmp_path / "clouds", 240, points=20_000)
    (tmp_path / "ray").mkdir()
    errors = list[Any]()
    with node_killed_when(cluster, lambda: len(list(shards(tmp_path / "ray"))) >= 5):
        made = encode_on_ray(
            tiny, files, tmp_path / "ray", config=RayConfig(cluster.address, workers=2, device="cpu"),
            shard_size=4, on_failure=errors.append,
        )  # fmt: skip
    assert (made.files, made.failures, made.resumed) == (240, len(bad_names(files)), 0)
    assert sorted(error.source for error in errors) == sorted(bad_names(files))
    encode_files(tiny, files, tmp_path / "here", shard_size=4)
    expected, found = read_features(tmp_path / "here"), read_features(tmp_path / "ray")
    assert found.names == expected.names == [str(file) for file in files]
    np.testing.assert_allclose(found.features, expected.features, atol=1e-5)
    assert found.errors == expected.errors


def test_the_command_continues_on_a_cluster_what_was_begun_here(
    tiny: CrossJEPAEncoder, tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clouds(tmp_path / "clouds", 20)
    tiny.save_pretrained(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    words = ["encode", "clouds", "-m", "tiny", "-o", "out/", "--shard-size", "4"]
    assert main(words) == 1
    expected = read_features("out")
    for number in (1, 3):
        Path(f"out/part-{number:06d}.parquet").unlink()
    assert main([*words, "--engine", "ray", "--address", cluster.address, "--workers", "1"]) == 1
    assert read_features("out").names == expected.names
