"""`crossjepa data`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crossjepa.datasets import list_datasets
from tests.cli.conftest import Run, only_error
from tests.datasets.test_renderings import MODELS, write_clouds, write_r2n2
from tests.evaluate.conftest import save


def test_list(run: Run) -> None:
    assert [line.split("\t")[0] for line in run("data", "list").out.splitlines()] == list_datasets()
    assert [source["name"] for source in run("data", "list", "--json").json] == list_datasets()
    assert "3176385ffc31a7b6b5af22191fd920d1  ply_data_train0.h5" in run("data", "list", "modelnet40").out
    assert "ply_data_train0.h5" in run("data", "list", "modelnet40", "--json").json[0]["md5"]


def test_check(tmp_path: Path, run: Run) -> None:
    path = save(tmp_path / "boxes.npz")
    printed = run("data", "check", "clouds", path)
    assert printed.code == 0
    assert "complete" in printed.out
    printed = run("data", "check", "modelnet40", path, "--json")
    assert printed.code == 1
    (found,) = printed.json
    assert (found["counts"], found["points"], found["is_valid"]) == (
        {"test": 150, "train": 180},
        [64, 64],
        False,
    )
    assert "crossjepa: 180 samples in split train, expected 9,843" in printed.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "mnist"], "unknown data set"),
        (["check", "shapenetpart", "{tmp}/nothing"], "get it: https://shapenet"),
        (["check", "shapenetpart", "{tmp}"], "synsetoffset2category.txt"),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, run: Run, words: list[str], message: str) -> None:
    printed = run("data", *(word.replace("{tmp}", str(tmp_path)) for word in words))
    assert printed.code == 2
    assert printed.err.startswith("crossjepa: error: ")
    assert message in printed.err


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("rendering/02.png", None, "no such file"),
        ("rendering/02.png", b"", "empty"),
        ("rendering/00.png", b"\x89PNG\r\n", "not a readable picture"),
        ("rendering/rendering_metadata.txt", b"1 25 0 0.7 25\n", "1 views, most objects have 3"),
        ("rendering/rendering_metadata.txt", b"1 25 0\n", "expected 5 numbers"),
        ("", b"not an array", "not"),
    ],
)
def test_check_renderings_names_what_is_damaged(
    tmp_path: Path, run: Run, file: str, content: bytes | None, reason: str
) -> None:
    root, shapes = tmp_path / "ShapeNetRendering", tmp_path / "ShapeNet"
    write_r2n2(root, views=3)
    write_clouds(shapes)
    printed = run("data", "check-renderings", root)
    assert (printed.code, printed.err) == (0, "")
    assert f"{len(MODELS)} objects x 3 views" in printed.out
    assert "all usable" in printed.out
    assert "to embed" in printed.out

    damaged = root / MODELS[1] / file if file else shapes / f"{MODELS[1]}.npy"
    damaged.unlink() if content is None else damaged.write_bytes(content)
    printed = run("data", "check-renderings", root, "--shapes", shapes)
    assert printed.code == 1
    assert "1 objects cannot be used" in printed.out
    assert reason in printed.out
    assert MODELS[1] in printed.out
    printed = run("data", "check-renderings", root, "--json")
    assert printed.code == 1
    assert printed.json["objects"] == len(MODELS)
    assert reason in printed.json["problems"][0]


def test_a_damaged_first_table_is_one_bad_object(tmp_path: Path, run: Run) -> None:
    root = tmp_path / "ShapeNetRendering"
    write_r2n2(root, views=3)
    write_clouds(tmp_path / "ShapeNet")
    table = root / MODELS[0] / "rendering" / "rendering_metadata.txt"
    for damage in ("no numbers\n", "".join(table.read_text().splitlines(keepends=True)[:-1])):
        table.write_text(damage)
        printed = run("data", "check-renderings", root)
        assert printed.code == 1
        assert f"{len(MODELS)} objects x 3 views" in printed.out
        assert "1 objects cannot be used" in printed.out
        assert MODELS[0] in printed.out


def test_what_is_no_tree(tmp_path: Path, run: Run) -> None:
    assert f"{tmp_path}: no renderings" in only_error(run("data", "check-renderings", tmp_path))
    root = tmp_path / "ShapeNetRendering"
    write_r2n2(root, views=3)
    write_clouds(tmp_path / "ShapeNet")
    shutil.rmtree(tmp_path / "ShapeNet" / MODELS[0].split("/")[0])
    assert "no shape of" in only_error(run("data", "check-renderings", root))
