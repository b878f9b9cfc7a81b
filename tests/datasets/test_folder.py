"""Folders of class/file and tables of paths, complete and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets import detect, load
from tests.helpers import dataset_writers as writers


@pytest.mark.parametrize(
    ("names", "layout", "splits"),
    [
        (("a/1.npy", "b/2.npy", "b/deep/3.npy"), "class/file", ("all", "all", "all")),
        (("a/train/1.npy", "b/train/2.npy", "b/test/3.npy"), "class/split/file", ("train", "test", "train")),
        (("train/a/1.npy", "valid/b/2.npy", "test/b/3.npy"), "split/class/file", ("test", "train", "val")),
    ],
)
def test_folders(tmp_path: Path, names: tuple[str, ...], layout: str, splits: tuple[str, ...]) -> None:
    dataset = load("folder", writers.fill(tmp_path, *names))
    assert (dataset.layout, dataset.splits) == (layout, splits)
    assert dataset.classes == ("a", "b")
    assert sorted(dataset.labels_n.tolist()) == [0, 1, 1]
    for sample in dataset:
        np.testing.assert_array_equal(
            sample.points_N3, writers.clouds(1, seed=names.index(sample.name))[0].astype(np.float64)
        )
    assert detect(tmp_path) == "folder"


def test_groups_of_a_table(tmp_path: Path) -> None:
    writers.fill(tmp_path, "1.npy", "2.npy", "3.npy")
    table = writers.lines(tmp_path / "t.csv", "path,label,group", "1.npy,b,cup", "2.npy,a,cup", "3.npy,b,")
    assert load("table", table).groups == ("cup", "cup", "3.npy")
    assert load("table", table).select([2, 0]).groups == ("3.npy", "cup")


def test_table(tmp_path: Path) -> None:
    writers.fill(tmp_path / "clouds", "1.npy", "2.npy", "3.npy")
    table = writers.lines(
        tmp_path / "t.csv",
        "path,label,split",
        "clouds/1.npy,b,train",
        "clouds/2.npy,a,test",
        "clouds/3.npy,b,",
    )
    dataset = load("table", table)
    assert (dataset.classes, dataset.splits) == (("a", "b"), ("train", "test", "all"))
    assert dataset.labels_n.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(dataset[1].points_N3, writers.clouds(1, seed=1)[0])
    assert detect(table) == "table"


@pytest.mark.parametrize(
    ("header", "separator", "slash", "encoding"),
    [
        ("path;label", ";", "/", "utf-8"),
        ("Path\tLabel", "\t", "/", "utf-16"),
        ("path, label", ", ", "/", "latin-1"),
        ("filename,class", ",", "\\", "gbk"),
    ],
)
def test_tables_of_spreadsheets(
    tmp_path: Path, header: str, separator: str, slash: str, encoding: str
) -> None:
    writers.fill(tmp_path / "clouds", "1.npy", "2.npy")
    names = {"gbk": ("椅子", "桌子"), "latin-1": ("Stühle", "Übertöpfe")}.get(encoding, ("a", "b"))
    rows = [f"clouds{slash}{row + 1}.npy{separator}{name}" for row, name in enumerate(names)]
    (tmp_path / "t.csv").write_bytes("\r\n".join([header, *rows]).encode(encoding))
    dataset = load("table", tmp_path / "t.csv")
    assert tuple(dataset.classes[label] for label in dataset.labels_n) == names
    np.testing.assert_array_equal(dataset[1].points_N3, writers.clouds(1, seed=1)[0])


def test_a_folder_beside_texts_that_are_no_clouds_and_models(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writers.fill(tmp_path, "a/1.npy", "b/deep/2.npy")
    for folder in ("a", "b/deep"):
        (tmp_path / folder / "license.txt").write_text("Model Information:\n* title: x\n* license: CC-BY\n")
        (tmp_path / folder / "info.csv").write_text("name,vertices,faces,size\nx,48,72,2.5\n")
        (tmp_path / folder / "picture.png").write_bytes(b"")
    (tmp_path / "elsewhere").mkdir()
    writers.fill(tmp_path / "elsewhere", "c/3.npy")
    root = tmp_path / "data"
    root.mkdir()
    for name, target in {"a": tmp_path / "a", "b": tmp_path / "b", "c": tmp_path / "elsewhere" / "c"}.items():
        (root / name).symlink_to(target, target_is_directory=True)
    (root / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (root / "model" / name).write_bytes(b"")
    dataset = load("folder", root)
    assert dataset.names == ("a/1.npy", "b/deep/2.npy", "c/3.npy")
    assert dataset.classes == ("a", "b", "c")
    assert len(list(dataset)) == 3
    assert "left out 4 that are no clouds, such as" in caplog.text


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (("path,size", "1.npy,a"), "no column"),
        (("path,label", "1.npy,"), "line 2"),
        (("path,label", "1.npy,a,train"), "line 2"),
        (("path,label",), "no rows"),
        (("path,label", "9.npy,a"), "9.npy: no such file"),
    ],
)
def test_damaged_tables(tmp_path: Path, rows: tuple[str, ...], reason: str) -> None:
    writers.fill(tmp_path, "1.npy")
    with pytest.raises(PointCloudError, match=reason):
        load("table", writers.lines(tmp_path / "t.csv", *rows))


def test_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(PointCloudError, match="no folders"):
        load("folder", tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(PointCloudError, match="no point cloud or mesh"):
        load("folder", tmp_path)
    writers.fill(tmp_path, "b/1.npy")
    with pytest.raises(PointCloudError, match="a: no point cloud or mesh file in this class"):
        load("folder", tmp_path)


def test_splits_by_any_of_their_names(tmp_path: Path) -> None:
    writers.fill(tmp_path, "1.npy", "2.npy", "3.npy", "4.npy", "5.npy")
    rows = (
        f"{number}.npy,a,{split}"
        for number, split in enumerate(("Train", " test", "Validation", "fold3", ""), 1)
    )
    dataset = load("table", writers.lines(tmp_path / "t.csv", "path,label,split", *rows))
    assert dataset.splits == ("train", "test", "val", "fold3", "all")
    table = writers.lines(tmp_path / "t.csv", "path,label,split", "1.npy,a,train", "2.npy,a,tset")
    with pytest.raises(PointCloudError, match=r"t\.csv: split 'tset' is none of train, val, test"):
        load("table", table)
    np.savez(
        tmp_path / "c.npz",
        points=writers.clouds(2),
        labels=np.array([0, 0]),
        split=np.array(["valid", "TEST"]),
    )
    assert load("clouds", tmp_path / "c.npz").splits == ("val", "test")
    writers.fill(tmp_path / "folder", "Train/a/1.npy", "Test/a/2.npy")
    dataset = load("folder", tmp_path / "folder")
    assert (dataset.classes, dataset.splits) == (("a",), ("test", "train"))
