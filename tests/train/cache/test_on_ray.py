"""A cache that a Ray cluster of several nodes makes, of which one is killed on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import open_dataset
from crossjepa.scale.ray_engine import RayConfig
from crossjepa.train.cache import CacheConfig, check_cache, make_cache, open_cache, partial_folder
from tests.conftest import SAMPLES
from tests.helpers.ray_cluster import node_killed_when, small_cluster
from tests.helpers.teachers import RENDER

pytest.importorskip("ray.data", reason="the extra `ray` is not installed")


@pytest.mark.slow
def test_a_cache_of_a_cluster_with_a_killed_node_is_that_of_one_machine(
    tmp_path: Path, teacher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "files").mkdir()
    for copy in range(12):
        for path in SAMPLES.glob("*.obj"):
            shutil.copy(path, tmp_path / "files" / f"{path.stem}-{copy:02d}.obj")
    (tmp_path / "files" / "bad.obj").write_text("v 0 0 0\nf 1 2 3\n")
    monkeypatch.chdir(tmp_path)
    dataset, config = open_dataset(["files"]), CacheConfig(teacher, render=RENDER)

    def is_begun() -> bool:
        partial = partial_folder(tmp_path / "ray")
        return (partial / "done.npy").is_file() and int(np.load(partial / "done.npy").sum()) >= 5

    with small_cluster() as cluster, node_killed_when(cluster, is_begun):
        made = make_cache(
            dataset, Path("ray"), config, skip_bad=True, progress=False,
            cluster=RayConfig(cluster.address, workers=2, device="cpu"),
        )  # fmt: skip
    assert made is not None
    assert made.manifest["left_out"] == ["bad.obj"]
    assert check_cache(tmp_path / "ray").problems == []
    make_cache(dataset, tmp_path / "here", config, skip_bad=True, progress=False)
    expected, found = open_cache(tmp_path / "here"), open_cache(tmp_path / "ray")
    assert found.manifest["names"] == expected.manifest["names"]
    np.testing.assert_array_equal(found.embeddings_SVD, expected.embeddings_SVD)
