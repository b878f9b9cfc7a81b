"""Reader of ptx files (Leica): scans on a grid of directions, each with the place of its scanner.

N points, R rays of a scan
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.shapes import PointCloud, as_cloud, check_count
from crossjepa.io.text import parse_numbers, read_text_file, split_lines

_HEADER = 10


def read_ptx(path: Path) -> PointCloud:
    """Reads the points of all scans in their common frame, less rays that met nothing, at (0, 0, 0).

    Raises:
        PointCloudError: a header does not fit, or a scan is truncated.
    """
    lines, start, scans = split_lines(read_text_file(path)), 0, list[NDArray[np.float64]]()
    while start < len(lines) and any(line.strip() for line in lines[start:]):
        count = _rays(path, lines, start)
        body = lines[start + _HEADER : start + _HEADER + count]
        if len(body) < count:
            raise PointCloudError(path, f"truncated: a scan has {count} points, but {len(body)} lines follow")
        place_44 = _numbers(path, lines, start + 6, 4)
        if place_44.shape != (4, 4):
            raise PointCloudError(path, f"line {start + 7}: expected a matrix of 4 by 4 numbers")
        first = start + _HEADER
        points_R3 = _numbers(path, lines, first, count)[:, :3]
        if points_R3.shape != (count, 3):
            raise PointCloudError(path, f"line {first + 1}: a point needs three numbers")
        met_N3 = points_R3[(points_R3 != 0).any(axis=1)]
        scans.append(met_N3 @ place_44[:3, :3] + place_44[3, :3])
        check_count(sum(map(len, scans)), str(path))
        start = first + count
    if not scans:
        raise PointCloudError(path, "no points")
    return as_cloud(np.concatenate(scans), str(path))


def _rays(path: Path, lines: list[str], start: int) -> int:
    """Returns columns times rows, the first two lines of the header of a scan."""
    fields = [line.strip() for line in lines[start : start + 2]]
    if len(fields) < 2 or not all(field.isdecimal() and len(field) < 10 for field in fields):
        raise PointCloudError(path, f"line {start + 1}: expected numbers of columns and rows, found {fields}")
    count = int(fields[0]) * int(fields[1])
    check_count(count, str(path))
    return count


def _numbers(path: Path, lines: list[str], first: int, count: int) -> NDArray[np.float64]:
    return parse_numbers(path, lines[first : first + count], lambda index: first + index + 1)
