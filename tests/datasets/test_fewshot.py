"""Published few-shot folds, complete and damaged."""

from __future__ import annotations

import builtins
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets import check, find_folds, load_fold
from tests.helpers import dataset_writers as writers

pytest.importorskip("h5py")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch evil",)


class Encoder:
    def __reduce__(self) -> tuple[Any, ...]:
        import codecs

        return codecs.encode, (b"x" * 8, "zlib")


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


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_fewshot(tmp_path: Path, protocol: int) -> None:
    for number in (10, 2):
        writers.fewshot_fold(tmp_path / "2way_3shot" / f"{number}.pkl", protocol=protocol)
    writers.fewshot_fold(tmp_path / "3way3shot" / "0.pkl", way=3, protocol=protocol)
    folds = find_folds(tmp_path)
    assert [file.stem for file in folds[2, 3]] == ["2", "10"]
    assert list(folds) == [(2, 3), (3, 3)]
    fold = load_fold(folds[2, 3][0])
    assert fold.subset("train").labels_n.tolist() == [0, 0, 0, 1, 1, 1]
    assert fold.subset("test").labels_n.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(fold[4].points_N3, writers.clouds(6)[4])
    assert len(check("modelnet40-fewshot", tmp_path)) == 3
