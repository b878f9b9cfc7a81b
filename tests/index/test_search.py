"""Searching by shapes and by pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError, SearchIndexError
from crossjepa.index import Picture, ShapeIndex, build_index
from crossjepa.train.render.images import color_histogram
from tests.helpers.search_data import GRID, SearchData
from tests.helpers.teachers import small_teacher
from tests.helpers.tiny_weights import make_view_model


@pytest.fixture
def index(data: SearchData, tmp_path: Path) -> ShapeIndex:
    build_index(sorted(data.shapes.iterdir()), tmp_path / "index", data.model, grid=GRID)
    return ShapeIndex(tmp_path / "index")


def test_a_shape_finds_itself_first(index: ShapeIndex, data: SearchData) -> None:
    matches = index.search(data.shapes / "table.obj", top=2)
    assert len(matches) == 2
    assert (Path(matches[0].file).name, matches[0].azimuth) == ("table.obj", None)
    assert matches[0].similarity == pytest.approx(1, abs=2e-3)
    assert matches[1].similarity < matches[0].similarity
    assert matches[0].columns["folder"] == "shapes"


def test_similarities_are_those_of_the_encoder(index: ShapeIndex, data: SearchData) -> None:
    encoder = index.model.encoder
    query_E = encoder.encode(data.shapes / "chair.obj")
    for match in index.search(data.shapes / "chair.obj"):
        expected = encoder.similarity(query_E, encoder.encode(match.file))[0, 0]
        assert match.similarity == pytest.approx(float(expected), abs=2e-3)


def test_conditions_and_arrays(index: ShapeIndex) -> None:
    cloud_N3 = np.random.default_rng(0).normal(size=(300, 3))
    matches = index.search(cloud_N3, where="file LIKE '%horse.obj'")
    assert [Path(match.file).name for match in matches] == ["horse.obj"]


def test_a_picture_finds_the_shape_and_pose_with_the_nearest_view(
    index: ShapeIndex, data: SearchData
) -> None:
    teacher = index.load_teacher(data.teacher)
    image = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3)).astype(np.uint8)
    query_D = teacher.embed(image).numpy()[0]
    rows = index.tables.views.to_arrow().to_pylist()
    cosines = [float(np.dot(row["vector"], query_D / np.linalg.norm(query_D))) for row in rows]
    best = rows[int(np.argmax(cosines))]
    matches = index.search_picture(Picture(image[0], color_histogram(image)[0], "none"), teacher)
    assert len({match.file for match in matches}) == len(matches) == 3
    assert (matches[0].file, matches[0].azimuth) == (best["file"], best["azimuth"])
    assert matches[0].similarity == pytest.approx(max(cosines), abs=2e-3)


def test_another_teacher_is_refused(index: ShapeIndex, tmp_path: Path) -> None:
    other = small_teacher(tmp_path, "test_efficientnet")
    with pytest.raises(SearchIndexError, match=r"views of the teacher test_vit, not of .*test_efficientnet"):
        index.load_teacher(other)


def test_an_index_without_views_takes_no_pictures(data: SearchData, tmp_path: Path) -> None:
    build_index(sorted(data.shapes.iterdir()), tmp_path / "index", data.model, grid=None)
    with pytest.raises(SearchIndexError, match="has no views"):
        ShapeIndex(tmp_path / "index").load_teacher(data.teacher)


def test_weights_that_changed_are_refused(index: ShapeIndex, data: SearchData, tmp_path: Path) -> None:
    make_view_model(3).save_pretrained(data.model)
    with pytest.raises(SearchIndexError, match="made with other weights"):
        ShapeIndex(tmp_path / "index")


def test_a_query_that_cannot_be_used_is_named(index: ShapeIndex, tmp_path: Path) -> None:
    with pytest.raises(PointCloudError, match=r"missing\.obj"):
        index.search(tmp_path / "missing.obj")


def test_duplicates_of_an_index(index: ShapeIndex, data: SearchData, tmp_path: Path) -> None:
    (data.shapes / "copy.obj").write_bytes((data.shapes / "chair.obj").read_bytes())
    build_index(sorted(data.shapes.iterdir()), tmp_path / "index", data.model, grid=GRID)
    (group,) = ShapeIndex(tmp_path / "index").duplicates(0.9999)
    assert [Path(name).name for name, _ in group] == ["chair.obj", "copy.obj"]
