"""ptx: several scans, each turned and moved to its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import VERTICES, read_cloud, reason_of, write

TURN = np.array([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [10, 20, 30, 1.0]])
SCAN = "{}\n{}\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n"


def scan(table: np.ndarray, place: np.ndarray, columns: int = 1) -> str:
    return SCAN.format(columns, len(table) // columns) + writers.rows(place) + writers.rows(table)


def test_scans_at_their_places(tmp_path: Path) -> None:
    rays = np.vstack([np.zeros((1, 4)), np.hstack([VERTICES + 1, np.full((4, 1), 0.5)]), np.zeros((1, 4))])
    text = scan(rays, np.eye(4), columns=2) + scan(rays[1:], TURN)
    points_N3 = read_cloud(write(tmp_path, "a.ptx", text))
    there = np.hstack([VERTICES + 1, np.ones((4, 1))]) @ TURN
    np.testing.assert_allclose(points_N3, np.vstack([VERTICES + 1, there[:, :3]]), atol=1e-12)


WHOLE = scan(np.ones((4, 7)), np.eye(4))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WHOLE[:-20], "line 14"),
        ("\n".join(WHOLE.split("\n")[:-3]), "truncated: a scan has 4 points, but 2 lines follow"),
        (WHOLE.replace("1\n4\n", "1\nfour\n", 1), "line 1: expected numbers of columns and rows"),
        (WHOLE.replace("1\n4\n", "99999\n999999\n", 1), "points; from 0 to"),
        (WHOLE + "1 2 3 4\n", "line 15"),
        (scan(np.zeros((4, 4)), np.eye(4)), "no points"),
        (scan(np.ones((4, 2)), np.eye(4)), "a point needs three numbers"),
        (scan(np.ones((4, 4)), np.eye(4)[:, :3]), "line 7: expected a matrix"),
    ],
)
def test_refusals(tmp_path: Path, text: str, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.ptx", text))
