"""Labeled clouds and the files that keep them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from crossjepa.train.finetune.clouds import LabeledClouds, load_tensors, save_tensors


def test_selection_keeps_what_belongs_together() -> None:
    points = tuple(torch.full((size, 3), float(size)) for size in (1, 2, 3))
    clouds = LabeledClouds(points, torch.tensor([5, 6, 7]))
    chosen = clouds.select(np.array([2, 0]))
    assert [len(cloud) for cloud in chosen.points] == [3, 1]
    assert chosen.labels_n.tolist() == [7, 5]
    assert chosen.parts == () and len(clouds.select(np.zeros(0, np.int64))) == 0
    with_parts = LabeledClouds(
        points, clouds.labels_n, points, tuple(torch.arange(size) for size in (1, 2, 3))
    )
    assert [len(parts_N) for parts_N in with_parts.select(np.array([1])).parts] == [2]


def test_damaged_tensors_are_made_again(tmp_path: Path) -> None:
    path, tensors = tmp_path / "new" / "x.safetensors", {"a": torch.arange(4).view(2, 2).T}
    assert load_tensors(path) is None
    save_tensors(path, tensors)
    loaded = load_tensors(path)
    assert loaded is not None and torch.equal(loaded["a"], tensors["a"])
    path.write_bytes(path.read_bytes()[:-3])
    assert load_tensors(path) is None
