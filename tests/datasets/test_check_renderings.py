"""A tree of renderings is looked through before hours are spent on it, as a user does: by the dry run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crossjepa.cli.pretrain import main
from crossjepa.datasets.check_renderings import check_renderings
from crossjepa.datasets.renderings import open_renderings
from tests.datasets.test_renderings import MODELS, write_clouds, write_disn, write_r2n2

SMALL = ("--size", "crossjepa-test", "--batch-size", "2", "--predictor-depth", "1")


def test_whole_trees(tmp_path: Path) -> None:
    write_r2n2(tmp_path / "ShapeNetRendering", views=3)
    write_disn(tmp_path / "disn", views=2)
    write_clouds(tmp_path / "ShapeNet")
    for root, kind, views in (("ShapeNetRendering", "r2n2", 3), ("disn", "disn-easy", 2)):
        tree = open_renderings(tmp_path / root)
        assert tree is not None
        report = check_renderings(tree)
        assert (report.kind, report.objects, report.views, report.problems) == (kind, len(MODELS), views, ())
        pictures = [path for path in (tmp_path / root).rglob("*.png") if "hard" not in path.parts]
        assert report.gigabytes == pytest.approx(sum(path.stat().st_size for path in pictures) / 1e9)


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
def test_the_dry_run_names_what_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: bytes | None, reason: str
) -> None:
    root, shapes = tmp_path / "ShapeNetRendering", tmp_path / "ShapeNet"
    write_r2n2(root, views=3)
    write_clouds(shapes)
    words = ["--config", "shapenet-paper", *SMALL, "--dry-run", "--renderings", str(root), "--device", "cpu"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert f"{len(MODELS)} objects x 3 views" in out
    assert "all usable" in out
    assert "hours" in out

    damaged = root / MODELS[1] / file if file else shapes / f"{MODELS[1]}.npy"
    damaged.unlink() if content is None else damaged.write_bytes(content)
    assert main(words) == 1
    captured = capsys.readouterr()
    assert "1 objects cannot be used" in captured.out
    assert reason in captured.out
    assert MODELS[1] in captured.out
    assert f"data         {len(MODELS) - 1} objects" in captured.out


def test_a_damaged_first_table_is_one_bad_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "ShapeNetRendering"
    write_r2n2(root, views=3)
    write_clouds(tmp_path / "ShapeNet")
    table = root / MODELS[0] / "rendering" / "rendering_metadata.txt"
    words = ["--config", "shapenet-paper", *SMALL, "--dry-run", "--renderings", str(root), "--device", "cpu"]
    for damage in ("no numbers\n", "".join(table.read_text().splitlines(keepends=True)[:-1])):
        table.write_text(damage)
        assert main(words) == 1
        out = capsys.readouterr().out
        assert f"{len(MODELS)} objects x 3 views" in out
        assert "1 objects cannot be used" in out
        assert MODELS[0] in out


def test_what_is_no_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dry-run", "--renderings", str(tmp_path), *SMALL]) == 1
    assert f"{tmp_path}: no renderings" in capsys.readouterr().err
    write_r2n2(tmp_path / "ShapeNetRendering", views=3)
    write_clouds(tmp_path / "ShapeNet")
    shutil.rmtree(tmp_path / "ShapeNet" / MODELS[0].split("/")[0])
    assert main(["--dry-run", "--renderings", str(tmp_path / "ShapeNetRendering"), *SMALL]) == 1
    assert "no shape of" in capsys.readouterr().err
