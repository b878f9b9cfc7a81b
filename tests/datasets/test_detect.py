"""Data sets by name: what is missing is explained, and what is there is told by its marks."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa.datasets import DatasetNotFoundError, list_datasets, load

pytest.importorskip("h5py")


@pytest.mark.parametrize("name", list_datasets())
def test_what_is_missing_is_explained(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetNotFoundError) as caught:
        load(name, tmp_path / "nowhere")
    message = str(caught.value)
    for part in ("nowhere", name, "get it: ", "expected layout:", "nothing is downloaded"):
        assert part in message


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match="scanobjectnn-obj-bg"):
        load("modelnet", "x")
