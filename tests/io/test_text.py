"""xyz, txt, csv and pts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.io_shapes import read_cloud, reason_of, write

POINTS = np.array([[1, 2, 3], [-4.5, 5e-3, 6]])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xyz", "1 2 3\n-4.5 5e-3 6\n"),
        ("a.XYZ", "1 2 3\r\n-4.5 5e-3 6"),
        ("a.xyz", "\ufeff1\t2\t3\n\n   -4.5   0.005 6  \n"),
        ("a.xyz", "# x y z\n1 2 3 # first\n# between\n-4.5 5e-3 6\n"),
        ("a.xyz", "//X Y Z R\n1 2 3 9\n-4.5 5e-3 6 9\n"),
        ("a.txt", "1,2,3,0,0,1\n-4.5,5e-3,6,1,0,0\n"),
        ("a.csv", "1;2;3\n-4.5;5e-3;6\n"),
        ("a.csv", "1,2,3,\n-4.5,5e-3,6,\n"),
        ("a.csv", "z;x;label;y\n3;1;7;2\n6;-4.5;7;0.005\n"),
        ("a.csv", '"the label","X","Y","Z"\n7,1,2,3\n7, -4.5, 5e-3, 6\n'),
        ("a.csv", "east,north,up\n1,2,3\n-4.5,5e-3,6\n"),
        ("a.pts", "2\n1 2 3 100 0 0 0\n-4.5 5e-3 6 100 0 0 0\n"),
        ("a.pts", "1 2 3\n-4.5 5e-3 6\n"),
    ],
)
def test_forms(tmp_path: Path, name: str, text: str) -> None:
    np.testing.assert_array_equal(read_cloud(write(tmp_path, name, text)), POINTS)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.xyz", "1 2 3\n\n# c\n4 5 six\n", "line 4: '4 5 six'"),
        ("a.xyz", "1 2 3\n4 5\n", "line 2: 2 numbers, expected 3"),
        ("a.xyz", "1 2\n3 4\n", "line 1: 2 numbers"),
        ("a.xyz", "?? !! --\n1 2 3\n", "line 1"),
        ("a.xyz", "some words\nand some more\n", "line 2"),
        ("a.csv", "1,2,,3\n4,5,,6\n", "line 1"),
        ("a.csv", "x,y,z\n1,2,3\n4;5;6\n", "line 3"),
        ("a.csv", "x,y,z\n", "no points"),
        ("a.xyz", "# nothing\n\n", "no points"),
        ("a.pts", "3\n1 2 3\n4 5 6\n", "promises 3 points, but 2"),
        ("a.xyz", "1 2 3\n1 nan 3\n1 2 3\ninf 0 0\n", "2 of 4 points are not finite; the first is number 1"),
        ("a.xyz", "1 2 1e200\n", "1e100"),
        ("a.xyz", b"1 2 3\n\xff\xfe 5 6\n", "byte 6 is not UTF-8"),
        ("a.xyz", "1 2 3\n".encode("utf-16-le"), "zero bytes"),
    ],
)
def test_refusals(tmp_path: Path, name: str, text: str | bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, name, text))
