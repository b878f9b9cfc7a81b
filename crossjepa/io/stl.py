"""Reader of ASCII and binary stl files; equal corners are merged into one vertex.

V vertices, F faces, K = 3 F corners
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.shapes import Mesh, validate_mesh, validate_points
from crossjepa.io.text import line_of, parse_numbers, read_text_file

_HEADER = 84
_RECORD = np.dtype([("normal", "<f4", (3,)), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_VERTEX = re.compile(r"^[ \t]*vertex(?=\s)([^\n]*)", re.MULTILINE | re.IGNORECASE)
_FACET = re.compile(r"^[ \t]*facet\b", re.MULTILINE | re.IGNORECASE)


def read_stl(path: Path) -> Mesh:
    """Reads an STL file, ASCII or binary."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER)
    count = struct.unpack("<I", head[80:])[0] if len(head) == _HEADER else -1
    # Binary files may begin with "solid" too; only their size gives them away.
    if size == _HEADER + _RECORD.itemsize * count:
        records = np.frombuffer(path.read_bytes(), _RECORD, offset=_HEADER)
        corners_K3 = records["corners"].reshape(-1, 3).astype(np.float64)
    elif head.removeprefix(b"\xef\xbb\xbf").lstrip()[:5].lower() == b"solid":
        corners_K3 = _ascii(path)
    else:
        reason = (
            "too short for an STL header" if count < 0 else f"{count} triangles do not fit into {size} bytes"
        )
        raise PointCloudError(path, reason)
    if len(corners_K3) == 0:
        raise PointCloudError(path, "no faces")
    vertices_V3, numbers_K = _merge(validate_points(corners_K3, str(path)))
    return validate_mesh(vertices_V3, numbers_K.reshape(-1, 3), str(path))


def _ascii(path: Path) -> NDArray[np.float64]:
    text = read_text_file(path).rstrip()
    if not text[text.rfind("\n") + 1 :].lstrip().lower().startswith("endsolid"):
        raise PointCloudError(path, "truncated: no endsolid at the end")
    rows = _VERTEX.findall(text)
    corners_K3 = parse_numbers(path, rows, line_of(text, _VERTEX), columns=(0, 1, 2))
    if len(corners_K3) != len(rows) or len(rows) != 3 * len(_FACET.findall(text)):
        raise PointCloudError(path, "a facet does not have three vertices of three numbers")
    return corners_K3


def _merge(corners_K3: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns the unique rows, and for each row the number of its unique row."""
    order_K = np.lexsort(corners_K3.T)
    sorted_K3 = corners_K3[order_K]
    is_new_K = np.ones(len(corners_K3), bool)
    is_new_K[1:] = (sorted_K3[1:] != sorted_K3[:-1]).any(axis=1)
    numbers_K = np.empty(len(corners_K3), np.int64)
    numbers_K[order_K] = np.cumsum(is_new_K) - 1
    return sorted_K3[is_new_K], numbers_K
