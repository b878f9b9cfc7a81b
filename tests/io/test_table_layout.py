"""How tables are written; that they are read rightly is in test_table.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa.io.table_layout import find_layout, split_cells, why_no_cloud
from tests.helpers.io_shapes import write


@pytest.mark.parametrize(
    ("line", "separator", "cells"),
    [
        ("1 2  3", None, ["1", "2", "3"]),
        ("1, 2 ,3,", ",", ["1", "2", "3", ""]),
        ('"a, b",1,"2"', ",", ["a, b", "1", "2"]),
        ('"a b" 1 2', None, ["a b", "1", "2"]),
        ("1\t\t3\t", "\t", ["1", "", "3", ""]),
    ],
)
def test_cells(line: str, separator: str | None, cells: list[str]) -> None:
    assert split_cells(line, separator) == cells


def test_layouts() -> None:
    lines = ["My scan", "", "// t;X;Y;Z", "2", "0.5;1;2;3", "0.7;4;5;6"]
    layout = find_layout(Path("a"), lines)
    assert layout is not None
    assert (layout.start, layout.separator, layout.columns, layout.width) == (4, ";", [1, 2, 3], 4)
    assert (layout.named, layout.count, layout.header) == (True, 2, "// t;X;Y;Z")
    assert find_layout(Path("a"), ["# nothing", "x,y,z"]) is None


def test_texts_that_are_no_clouds(tmp_path: Path) -> None:
    license_text = "Model Information:\n* title: x\n* licence: CC-BY 4.0 (1 2 3)\n"
    assert why_no_cloud(write(tmp_path, "license.txt", license_text))
    assert why_no_cloud(write(tmp_path, "taxonomy.csv", "id,name\n02691156,airplane\n"))
    assert "faces" in why_no_cloud(write(tmp_path, "info.csv", "name,faces,edges,size\na,1,2,3.5\n"))
    assert why_no_cloud(write(tmp_path, "long.txt", "x y z\n" + "1 2 3\n" * 5000)) == ""
