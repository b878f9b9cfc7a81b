"""Damaged data sets are refused by the name of the file and the reason."""

from __future__ import annotations

import builtins
import contextlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets import check, load, load_fold
from crossjepa.datasets.unpickle import as_array, read_pickle
from tests.helpers import dataset_writers as writers

pytest.importorskip("h5py")
H5 = "ply_data_train1.h5"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def rewrite(path: Path, **changes: Any) -> None:
    labels = np.arange(6, dtype=np.uint8)[:, None] % 3
    arrays = {"data": writers.clouds(6), "label": labels, **changes}
    writers.h5(path, **{name: array for name, array in arrays.items() if array is not None})


def link_elsewhere(path: Path) -> None:
    import h5py

    with h5py.File(path, "a") as file:
        del file["data"]
        file["data"] = h5py.ExternalLink("ply_data_train0.h5", "/data")


def claim_much(path: Path) -> None:
    import h5py

    with h5py.File(path, "a") as file:
        del file["data"]
        file.create_dataset("data", shape=(6, 1 << 30, 3), dtype="f4", chunks=(1, 1024, 3))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, "not a complete HDF5 file"),
        (lambda path: path.write_bytes(b"not HDF5 at all"), "not a complete HDF5 file"),
        (lambda path: path.unlink(), "no such file"),
        (lambda path: rewrite(path, data=None), "no array"),
        (lambda path: rewrite(path, data=writers.clouds(6)[0]), r"\(n, N, 3\)"),
        (lambda path: rewrite(path, data=writers.clouds(6)[:, :, :2]), r"\(n, N, 3\)"),
        (lambda path: rewrite(path, data=writers.clouds(5)), "6 labels for 5 shapes"),
        (
            lambda path: rewrite(path, label=np.full((6, 1), 3, np.uint8)),
            "label 3, number 0, is not from 0 to 2",
        ),
        (lambda path: rewrite(path, label=np.full((6, 1), 0.5)), "label 0.5"),
        (lambda path: rewrite(path, label=np.full((6, 1), -1)), "label -1"),
        (lambda path: rewrite(path, label=np.zeros((6, 2), np.uint8)), r"\(n, 1\)"),
        (lambda path: rewrite(path, normal=writers.clouds(4)), "4 normals for 6 shapes"),
        (link_elsewhere, "not an array of this file"),
        (claim_much, "more than the file can hold"),
    ],
)
def test_h5(tmp_path: Path, damage: Callable[[Path], object], reason: str) -> None:
    damage(writers.modelnet_h5(tmp_path) / H5)
    with pytest.raises(PointCloudError, match=reason) as caught:
        load("modelnet40", tmp_path)
    assert caught.value.source == str(tmp_path / H5)


def test_nan_is_found_when_its_sample_is_read_and_by_check(tmp_path: Path) -> None:
    data = writers.clouds(6)
    data[4, 3, 1] = np.nan
    rewrite(writers.modelnet_h5(tmp_path) / H5, data=data)
    dataset = load("modelnet40", tmp_path)
    with pytest.raises(PointCloudError, match=r"ply_data_train1.h5\[4\]: 1 of 16 points are not finite"):
        dataset[10]
    problems = check("modelnet40", tmp_path)[0].problems
    assert any("train1.h5[4]" in problem and "not finite" in problem for problem in problems)
    assert any("not the published file" in problem for problem in problems)
    assert any("12 samples in split train, expected 9,843 or 9,840" in problem for problem in problems)


@pytest.mark.parametrize("name", ["shape_names.txt", "train_files.txt", "test_files.txt"])
def test_missing_list(tmp_path: Path, name: str) -> None:
    (writers.modelnet_h5(tmp_path) / name).unlink()
    with pytest.raises(PointCloudError, match="no such file") as caught:
        load("modelnet40", tmp_path)
    assert caught.value.source == str(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("modelnet40_test.txt", None, "no such file"),
        ("modelnet40_test.txt", "", "is empty"),
        ("modelnet40_test.txt", "sofa_0001\n", "'sofa_0001' belongs to no class"),
        ("modelnet40_test.txt", "bathtub_0099\n", "no such file; 1 of 7"),
        ("bathtub/bathtub_0003.txt", "1,2\n", r"\(N, 3\)"),
        ("bathtub/bathtub_0003.txt", "1,2,3\n1,2,x\n", "line 2"),
        ("bathtub/bathtub_0003.txt", "1,2,3\n1,2,nan\n", "not finite"),
    ],
)
def test_text(tmp_path: Path, name: str, content: str | None, reason: str) -> None:
    file = writers.modelnet_text(tmp_path) / name
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(PointCloudError, match=reason):
        list(load("modelnet40", tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("synsetoffset2category.txt", "Airplane\n", "line 1"),
        ("train_test_split/shuffled_val_file_list.json", None, "no such file"),
        ("train_test_split/shuffled_val_file_list.json", "[1", "not JSON"),
        ("train_test_split/shuffled_val_file_list.json", '["a"]', "expected a list"),
        ("train_test_split/shuffled_val_file_list.json", '["shape_data/1/a"]', "belongs to no class"),
        ("03797390/object1.txt", None, "object1.txt: no such file"),
        ("03797390/object1.txt", "1 2 3 4 5 6\n", "6 numbers per line"),
        ("03797390/object1.txt", "1 2 3 4 5 6 50\n", "part label 50"),
    ],
)
def test_shapenetpart(tmp_path: Path, name: str, content: str | None, reason: str) -> None:
    file = writers.shapenetpart_text(tmp_path) / name
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(PointCloudError, match=reason):
        list(load("shapenetpart", tmp_path))


def test_shapenetpart_h5_part_labels(tmp_path: Path) -> None:
    writers.shapenetpart_h5(tmp_path)
    labels = np.arange(16, dtype=np.uint8)[:, None]
    parts = np.full((16, 16), 50, np.uint8)
    writers.h5(tmp_path / "ply_data_val0.h5", data=writers.clouds(16), label=labels, pid=parts)
    with pytest.raises(PointCloudError, match=r"val0.h5\[0\]: part label 50"):
        list(load("shapenetpart", tmp_path))
    writers.h5(tmp_path / "ply_data_val0.h5", data=writers.clouds(16), label=labels, pid=parts[:, :9])
    with pytest.raises(PointCloudError, match="9 part labels for 16 points"):
        list(load("shapenetpart", tmp_path))


def test_scanobjectnn_variant_is_told_by_its_folder(tmp_path: Path) -> None:
    root = writers.scanobjectnn(tmp_path)
    with pytest.raises(PointCloudError, match="no folder main_split_nobg"):
        load("scanobjectnn-obj-only", root / "main_split")
    (root / "main_split" / "test_objectdataset.h5").unlink()
    with pytest.raises(PointCloudError, match=r"test_objectdataset.h5: no such file"):
        load("scanobjectnn-obj-bg", root)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch evil",)


class Encoder:
    def __reduce__(self) -> tuple[Any, ...]:
        import codecs

        return codecs.encode, (b"x" * 8, "zlib")


class Pointers:
    """Numbers whose type says, by the flags of its state, that they are pointers to objects."""

    def __reduce__(self) -> tuple[Any, ...]:
        reconstruct = np.empty(0).__reduce__()[0]
        return reconstruct, (np.ndarray, (0,), b"b"), (1, (2,), Flagged(), False, b"A" * 16)


class Flagged:
    def __reduce__(self) -> tuple[Any, ...]:
        return np.dtype, ("i8", False, True), (3, "<", None, None, None, -1, -1, 63)


class Buffer:
    """An array of objects over bytes of the file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return np.ndarray, ((2,), np.dtype("O"), b"A" * 16)


class Lookup:
    def __reduce__(self) -> tuple[Any, ...]:
        return builtins.getattr, ("text", "upper")


def spoiled(**changes: Any) -> bytes:
    item = (np.zeros((16, 6), np.float32), 0, np.int32(3))
    return pickle.dumps({"train": [item], "test": [item], **changes})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps(Evil()), "system, which is not run"),
        (pickle.dumps(Lookup()), "builtins.getattr, which is not run"),
        (pickle.dumps(Encoder()), "codec 'zlib'"),
        (spoiled(train=[(Evil(), 0, 0)]), "system, which is not run"),
        (spoiled(train=[(np.array([{}], dtype=object), 0, 0)]), "not a pickle of numpy arrays"),
        (spoiled(train=[(Buffer(), 0, 0)]), "type 'O8' is not numeric"),
        (spoiled(train=[(np.array(["text"]), 0, 0)]), "type 'U4' is not numeric"),
        (spoiled(train=[("text", 0, 0)]), "not a list of"),
        (spoiled(train=[(np.zeros((16, 6)), 5, 0)]), "do not count from 0"),
        (spoiled(train=[(np.zeros((16, 6)),)]), "not a list of"),
        (spoiled()[:-30], "not a pickle"),
        (b"", "not a pickle"),
        (pickle.dumps([1, 2]), "expected a dict"),
        (pickle.dumps({"train": []}), "expected a dict"),
    ],
)
def test_pickles(tmp_path: Path, content: bytes, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "5way_10shot" / "0.pkl"
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(PointCloudError, match=reason):
        load_fold(file)
    assert not (tmp_path / "evil").exists()


def test_pickles_cannot_turn_numbers_into_pointers(tmp_path: Path) -> None:
    file = tmp_path / "hostile.pkl"
    file.write_bytes(pickle.dumps(Pointers()))
    array = as_array(read_pickle(file))
    assert not array.dtype.hasobject
    assert array.tolist() == [int.from_bytes(b"A" * 8, "little")] * 2


def test_pickles_change_nothing_that_they_name(tmp_path: Path) -> None:
    file = tmp_path / "hostile.pkl"
    # GLOBAL numpy.dtype, BUILD with (None, {"hurt": True}), which sets attributes.
    file.write_bytes(b"cnumpy\ndtype\n(N(dS'hurt'\nI1\nsltb.")
    with contextlib.suppress(PointCloudError):
        read_pickle(file)
    assert not hasattr(np.dtype, "hurt")
    file.write_bytes(pickle.dumps([np.arange(3.0), np.float32(2), np.array([[True]])], protocol=2))
    again = read_pickle(file)
    assert [as_array(value).tolist() for value in again] == [[0, 1, 2], 2, [[True]]]


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_arrays_of_any_kind_come_back(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "arrays.pkl"
    values: list[Any] = [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(4, dtype=">i2"),
        np.float16(0.5),
        np.array([[7]], np.uint8),
        3,
    ]
    file.write_bytes(pickle.dumps(values, protocol=protocol))
    for found, expected in zip(read_pickle(file), values, strict=True):
        array = as_array(found)
        np.testing.assert_array_equal(array, expected)
        assert array.shape == np.shape(expected)
        assert array.dtype == np.asarray(expected).dtype


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"points": None}, "no array"),
        ({"labels": np.array([0.5, 1])}, "whole numbers"),
        ({"labels": np.array([0, 7]), "classes": np.array(["a", "b"])}, "label 7"),
        ({"labels": np.array([0])}, "1 labels for 2 shapes"),
        ({"split": np.array(["train"])}, "1 splits for 2 shapes"),
        ({"names": np.array([b"a", b"b"])}, "wrong type"),
        ({"points": np.zeros((2, 3))}, r"\(n, N, 3\)"),
        ({"points": np.array([{}, {}], dtype=object)}, "not a readable npz"),
        ({"points": np.zeros((2, 1 << 20, 3), np.float32)}, "claim to hold"),
    ],
)
def test_arrays(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    arrays = {"points": writers.clouds(2), "labels": np.array([0, 1]), **changes}
    path = tmp_path / "clouds.npz"
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(PointCloudError, match=reason):
        load("clouds", path)


def test_h5py_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writers.modelnet_h5(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match=r"crossjepa\[data\]"):
        load("modelnet40", tmp_path)
