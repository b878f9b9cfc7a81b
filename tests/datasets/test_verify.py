"""Data sets are compared with what is known of them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from crossjepa.datasets import check, load
from crossjepa.datasets.catalog import find_source
from crossjepa.datasets.verify import MAX_PROBLEMS, check_loaded
from tests.helpers import dataset_writers as writers


def test_complete_data_have_no_problems(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=writers.clouds(3), labels=np.array([0, 1, 1]))
    (found,) = check("clouds", tmp_path / "a.npz")
    assert found.is_valid
    assert (found.classes, found.counts, found.points) == (2, {"all": 3}, (16, 16))
    assert found.checksum == load("clouds", tmp_path / "a.npz").checksum()
    assert found.to_dict()["is_valid"] is True


def test_counts_classes_and_published_checksums(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, points=writers.clouds(3), labels=np.array([0, 1, 1]))
    dataset, digest = load("clouds", path), hashlib.md5(path.read_bytes()).hexdigest()
    known = replace(find_source("clouds"), counts={"all": (3,)}, num_classes=2, md5={"a.npz": digest})
    found = check_loaded(dataset, known)
    assert (found.verified, found.problems) == (1, [])
    other = replace(known, counts={"all": (4, 5)}, num_classes=9, md5={"a.npz": "0" * 32})
    assert check_loaded(dataset, other).problems == [
        "2 classes, expected 9",
        "3 samples in split all, expected 4 or 5",
        f"{path}: not the published file (its MD5 should be {'0' * 32})",
    ]


def test_every_bad_sample_is_named_up_to_a_limit(tmp_path: Path) -> None:
    points = writers.clouds(MAX_PROBLEMS + 5)
    points[1:, 0, 0] = np.nan
    np.savez(tmp_path / "a.npz", points=points, labels=np.zeros(len(points), int))
    (found,) = check("clouds", tmp_path / "a.npz")
    assert (len(found.problems), found.is_valid, found.points) == (MAX_PROBLEMS, False, (16, 16))
    assert "a.npz[1]: 1 of 16 points are not finite" in found.problems[0]
