"""From real meshes to a cache with the real teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets.meshpack import PackedMesh, read_meshpack
from crossjepa.train.cache import open_cache, partial_folder, start_cache
from crossjepa.train.prepare import PrepareConfig, openly_licensed, prepare_row
from crossjepa.train.teacher import Teacher


@pytest.fixture(scope="module")
def games(shared: Path) -> list[PackedMesh]:
    return read_meshpack(shared / "data" / "meshes_games.npz")


def test_packs_hold_what_is_documented(games: list[PackedMesh]) -> None:
    assert len(games) == 4743
    sides = np.array([np.ptp(mesh.vertices_V3, axis=0).max() for mesh in games])
    assert sides.max() < 1.001
    assert np.mean(sides > 0.999) > 0.99  # decimation cut off a little of some
    assert all(mesh.faces_F3.min() >= 0 and mesh.faces_F3.max() < len(mesh.vertices_V3) for mesh in games)


def test_damaged_packs_are_named(tmp_path: Path) -> None:
    (tmp_path / "pack.npz").write_bytes(b"PK\x03\x04 nothing")
    for name in ("pack.npz", "none.npz"):
        with pytest.raises(PointCloudError, match=name):
            read_meshpack(tmp_path / name)


def test_only_open_sources_without_evaluation_data(games: list[PackedMesh]) -> None:
    mesh = next(mesh for mesh in games if openly_licensed(mesh))
    assert not openly_licensed(replace(mesh, known_as="chair_0001"))
    assert not openly_licensed(replace(mesh, source="PSB via somebody"))
    assert not openly_licensed(replace(mesh, licence="no licence file"))
    assert not openly_licensed(replace(mesh, licence="mixed (see repo)"))
    assert not openly_licensed(replace(mesh, vertices_V3=mesh.vertices_V3 * np.array([1, 0, 0], np.float32)))


def test_a_row_is_sampled_rendered_and_embedded(
    shared: Path, games: list[PackedMesh], tmp_path: Path
) -> None:
    teacher = Teacher(str(shared / "teacher" / "tf_efficientnet_lite2.safetensors"))
    config = PrepareConfig(teacher="tf_efficientnet_lite2.safetensors", stored_points=512)
    chosen = [mesh for mesh in games if openly_licensed(mesh)][:2]
    start_cache(tmp_path / "cache", ["a", "b"], {}, views=8, points=512, width=teacher.width)
    cache = open_cache(partial_folder(tmp_path / "cache"), writable=True)
    for row, mesh in enumerate(chosen):
        prepare_row(cache, row, mesh, teacher, config)
    assert cache.done_S.all()
    assert np.linalg.norm(cache.points_SP3, axis=-1).max() == pytest.approx(1, abs=2e-3)
    embeddings = np.asarray(cache.embeddings_SVD, np.float32)
    centred = (embeddings - embeddings.mean(axis=(0, 1))).reshape(16, -1)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    similarity = centred @ centred.T
    assert similarity[:8, :8].mean() > similarity[:8, 8:].mean() + 0.2
    again = open_cache(partial_folder(tmp_path / "cache"), writable=True)
    first = np.array(again.embeddings_SVD[0])
    prepare_row(again, 0, chosen[0], teacher, config)
    np.testing.assert_allclose(again.embeddings_SVD[0], first, atol=1e-2)
    assert list(again.missing_rows(0, 1)) == []


def test_a_missing_teacher_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="teacher"):
        Teacher(str(tmp_path / "vit_small.safetensors"))
