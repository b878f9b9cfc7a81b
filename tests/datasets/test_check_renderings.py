"""A tree of renderings is checked before hours are spent on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa.datasets.check_renderings import check_renderings
from crossjepa.datasets.renderings import open_renderings
from tests.datasets.test_renderings import MODELS, write_clouds, write_disn, write_r2n2


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
