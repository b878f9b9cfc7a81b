"""What is found in folders, and what is said of the rest."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from crossjepa.io import find_files, scan_folder
from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import VERTICES, write

CLOUD = writers.rows(VERTICES)


def fill(folder: Path, *names: str, content: str = CLOUD) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder, name, content)
    return [folder / name for name in names]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    inside = fill(tmp_path / "data", "a/1.xyz", "z/2.xyz")
    outside = fill(tmp_path / "else", "deep/3.xyz", "4.xyz")
    root = tmp_path / "data"
    for name, target in {
        "a/up": root, "b": outside[0].parent, "c": tmp_path / "else", "first": root / "z",
        "self": root / "self", "lost": tmp_path / "nothing",
    }.items():  # fmt: skip
        (root / name).symlink_to(target, target_is_directory=True)
    (root / "linked.xyz").symlink_to(outside[1])
    found = scan_folder(root)
    # Real folders keep their names, and every folder is listed once.
    names = [path.relative_to(root).as_posix() for path in found.files]
    assert names == ["a/1.xyz", "b/3.xyz", "c/4.xyz", "linked.xyz", "z/2.xyz"]
    assert inside[0] in found.files
    assert found.no_clouds[root / "lost"] == "a link that leads nowhere"
    assert list(found.no_clouds) == [root / "lost", root / "self"]


def test_the_rest_is_counted_by_its_endings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path, "a.xyz", "b.FBX", "c.fbx", "d/e.png", "f", ".hidden", "d/.git/x.ply")
    found = scan_folder(tmp_path)
    assert found.files == [tmp_path / "a.xyz"]
    assert found.suffixes == {".fbx": 2, ".png": 1, "without a suffix": 1}
    assert found.left_out() == ["4 files of other formats: 2 .fbx, 1 .png, 1 without a suffix"]
    fill(tmp_path, "license.txt", content="Free.\n")
    with caplog.at_level(logging.INFO):
        assert find_files(tmp_path) == found.files
    warned, informed = caplog.records
    assert (warned.levelname, informed.levelname) == ("WARNING", "INFO")
    assert "left out 1 that are no clouds, such as" in warned.message and "license.txt" in warned.message


@pytest.mark.parametrize(
    ("name", "content", "is_cloud"),
    [
        ("license.txt", "Model Information:\n* title: x\n* license: CC-BY-4.0\n", False),
        ("README.txt", "# Data\n\nScanned in 2020, 10 x 20 x 30 cm.\n", False),
        ("size.txt", "10 x 20 x 30 cm\nmade of wood\nand of steel\n", False),
        ("taxonomy.csv", "synset,name\n02691156,airplane\n", False),
        ("split.csv", "path,label,split\na.obj,chair,train\n", False),
        ("box.csv", "frame,x_min,y_min,x_max,y_max\n0,1,2,3,4\n", False),
        ("train.txt", "chair/0001\nchair/0002\n", False),
        ("labels.txt", "0\n1\n2\n", False),
        ("cloud.txt", CLOUD, True),
        ("cloud.csv", "x,y,z\n1,2,3\n", True),
        ("long.csv", "t,x,y,z\n" + "0.5,1.25,2.5,3.75\n" * 5000, True),
        ("broken.txt", CLOUD + "1 2 x\n", True),  # reading it will say what is wrong
        ("empty.txt", "", True),
        ("names.xyz", "some words\n", True),  # no other text is called so
        ("names.pts", "some words\n", True),
    ],
)
def test_texts_that_are_no_clouds(tmp_path: Path, name: str, content: str, is_cloud: bool) -> None:
    path = write(tmp_path, name, content)
    found = scan_folder(tmp_path)
    assert (found.files == [path], list(found.no_clouds) == [path]) == (is_cloud, not is_cloud)


def test_own_results_are_no_input(tmp_path: Path) -> None:
    cloud = fill(tmp_path, "a.xyz")
    np.savez(tmp_path / "features.npz", features=np.zeros((1, 576)), files=["a.xyz"])
    np.savez(tmp_path / "classes.npz", files=["a.xyz"], classes=["a"], probabilities=np.ones((1, 1)))
    np.savez(tmp_path / "points.npz", **{"a.xyz": np.zeros((4, 288))})  # type: ignore[arg-type]
    for marks in (
        ("config.json", "model.safetensors"),
        ("manifest.json", "checksums.npy"),
        ("recipe.json", "log.jsonl"),
    ):
        fill(tmp_path / marks[0].split(".")[0], *marks, "points.npy")
    np.savez(tmp_path / "cloud.npz", points=VERTICES)
    assert find_files(tmp_path) == [*cloud, tmp_path / "cloud.npz"]
    assert scan_folder(tmp_path, [tmp_path / "cloud.npz"]).files == cloud
    assert find_files(tmp_path / "manifest") == [
        tmp_path / "manifest" / "checksums.npy",
        tmp_path / "manifest" / "points.npy",
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_what_is_no_regular_file_is_counted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.ply")
    assert scan_folder(tmp_path).suffixes == {"not regular": 1}
