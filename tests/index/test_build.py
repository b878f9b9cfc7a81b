"""An index of files that is made and kept up to date."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from crossjepa import CrossJEPA, SearchIndexError, WeightsError
from crossjepa.index import IndexReport, build_index, prune_index, remove_from_index
from crossjepa.index.build import IndexedModel
from crossjepa.index.table import IndexTables
from tests.helpers.search_data import GRID, SearchData
from tests.helpers.tiny_weights import make_view_model, of_two_teachers


def build(data: SearchData, folder: Path) -> IndexReport:
    return build_index(sorted(data.shapes.iterdir()), folder, data.model, grid=GRID, batch_size=2)


def names(files: list[str]) -> list[str]:
    return [Path(file).name for file in files]


def test_rows_are_features_and_predicted_views(data: SearchData, tmp_path: Path) -> None:
    report = build(data, tmp_path / "index")
    assert names(report.added) == ["chair.obj", "horse.obj", "table.obj"]
    assert report.total == 3
    tables = IndexTables.open(tmp_path / "index")
    files, vectors_nE = tables.vectors()
    model = CrossJEPA.from_pretrained(data.model)
    features_nE = model.encoder.encode(files)
    np.testing.assert_allclose(vectors_nE, model.encoder.standardize(features_nE), atol=1e-3)
    stored = tables.views.to_arrow().to_pylist()
    row = next(row for row in stored if row["azimuth"] == 90 and row["file"] == files[1])
    cloud_N3 = model.encoder.preprocess(files[1])
    view_D = model.predict_view(cloud_N3[None], 90.0, 20.0)[0].numpy()
    np.testing.assert_allclose(np.array(row["vector"]), view_D / np.linalg.norm(view_D), atol=1e-3)


def test_only_new_and_changed_files_are_encoded(data: SearchData, tmp_path: Path) -> None:
    build(data, tmp_path / "index")
    shutil.copy(data.shapes / "horse.obj", data.shapes / "chair.obj")
    shutil.copy(data.shapes / "table.obj", data.shapes / "new.obj")
    report = build(data, tmp_path / "index")
    assert (names(report.added), names(report.changed), report.unchanged) == (["new.obj"], ["chair.obj"], 2)
    files, vectors_nE = IndexTables.open(tmp_path / "index").vectors()
    assert names(files) == ["chair.obj", "horse.obj", "new.obj", "table.obj"]
    np.testing.assert_array_equal(vectors_nE[0], vectors_nE[1])


def test_files_that_cannot_be_used_are_reported_and_leave_the_index(data: SearchData, tmp_path: Path) -> None:
    build(data, tmp_path / "index")
    (data.shapes / "chair.obj").write_text("v 1 2\n")
    report = build_index(
        [*sorted(data.shapes.iterdir()), tmp_path / "missing.obj"], tmp_path / "index", data.model, grid=GRID
    )
    assert sorted(Path(error.source).name for error in report.errors) == ["chair.obj", "missing.obj"]
    assert report.total == 2


def test_files_are_removed_by_name_by_folder_and_when_they_are_gone(data: SearchData, tmp_path: Path) -> None:
    build(data, tmp_path / "index")
    assert names(remove_from_index(tmp_path / "index", [data.shapes / "horse.obj", "unknown"])) == [
        "horse.obj"
    ]
    (data.shapes / "table.obj").unlink()
    assert names(prune_index(tmp_path / "index")) == ["table.obj"]
    assert names(remove_from_index(tmp_path / "index", [data.shapes])) == ["chair.obj"]
    assert len(IndexTables.open(tmp_path / "index")) == 0


def test_paths_do_not_depend_on_the_current_folder(
    data: SearchData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(data, tmp_path / "index")
    monkeypatch.chdir(data.shapes)
    report = build_index(["chair.obj"], os.path.relpath(tmp_path / "index"), data.model, grid=GRID)
    assert report.unchanged == 1


def test_an_index_of_other_weights_is_refused(data: SearchData, tmp_path: Path) -> None:
    build(data, tmp_path / "index")
    make_view_model(1).save_pretrained(tmp_path / "other")
    with pytest.raises(SearchIndexError, match="made with other weights"):
        build_index([], tmp_path / "index", str(tmp_path / "other"), grid=GRID)


def test_other_poses_and_axes_are_refused(data: SearchData, tmp_path: Path) -> None:
    build(data, tmp_path / "index")
    with pytest.raises(SearchIndexError, match="azimuths"):
        build_index([], tmp_path / "index", data.model)
    with pytest.raises(SearchIndexError, match="up_axis '', not 'z'"):
        build_index([], tmp_path / "index", data.model, grid=GRID, up_axis="z")


def test_an_index_without_views_needs_no_predictor(data: SearchData, tmp_path: Path) -> None:
    CrossJEPA.from_pretrained(data.model).encoder.save_pretrained(tmp_path / "encoder")
    files = sorted(data.shapes.iterdir())
    report = build_index(files, tmp_path / "index", str(tmp_path / "encoder"), grid=None)
    assert report.total == 3
    assert IndexTables.open(tmp_path / "index").views.count_rows() == 0
    with pytest.raises(WeightsError, match="no predictor"):
        build_index(files, tmp_path / "other", str(tmp_path / "encoder"), grid=GRID)


def test_of_several_teachers_one_is_indexed(tmp_path: Path) -> None:
    of_two_teachers(make_view_model()).save_pretrained(tmp_path)
    for name, found, width in (("", "blobs", 6), ("blobs", "blobs", 6), ("lumps", "lumps", 4)):
        teacher = IndexedModel(str(tmp_path), teacher=name).teacher
        assert teacher is not None
        assert (teacher.name, teacher.width) == (found, width)
    with pytest.raises(WeightsError, match="predicts views of blobs, lumps, not of dots"):
        build_index([], tmp_path / "index", str(tmp_path), teacher="dots")


def test_a_killed_run_continues(data: SearchData, tmp_path: Path) -> None:
    """Views without a shape, as a kill between the two tables leaves them, are replaced."""
    build(data, tmp_path / "index")
    tables = IndexTables.open(tmp_path / "index")
    tables.shapes.delete("file LIKE '%horse.obj'")
    report = build(data, tmp_path / "index")
    assert (names(report.added), report.unchanged) == (["horse.obj"], 2)
    assert IndexTables.open(tmp_path / "index").views.count_rows() == 3 * len(GRID.azimuths)
