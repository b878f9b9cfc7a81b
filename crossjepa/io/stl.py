"""Reader of ASCII and binary stl files; equal corners are merged into one vertex.

V vertices, F faces, K = 3 F corners of faces
"""

from __future__ import annotations

import re
import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError, PointCloudWarning
from crossjepa.io.content import read_content
from crossjepa.io.shapes import MAX_POINTS, Mesh, validate_mesh
from crossjepa.io.text import decode, line_of, parse_numbers

_HEADER = 84
_RECORD = np.dtype([("normal", "<f4", (3,)), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_VERTEX = re.compile(r"^[ \t]*vertex(?=\s)([^\n]*)", re.MULTILINE | re.IGNORECASE)
_FACET = re.compile(r"^[ \t]*facet\b", re.MULTILINE | re.IGNORECASE)
_END_FACET = re.compile(r"^[ \t]*end[ \t]*facet\b", re.MULTILINE | re.IGNORECASE)
_END = re.compile(r"^[ \t]*end[ \t]*solid\b", re.MULTILINE | re.IGNORECASE)
_BEGIN = re.compile(rb"(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\0]*s\0?o\0?l\0?i\0?d", re.IGNORECASE)


def read_stl(path: Path) -> Mesh:
    """Reads an STL file, ASCII or binary; triangles that are not finite are left out, with a warning."""
    content = read_content(path)
    count = struct.unpack_from("<I", content, 80)[0] if len(content) >= _HEADER else -1
    # Binary files may begin with "solid" too; their size gives them away, or bytes that are no text.
    is_binary = 0 <= count == (len(content) - _HEADER) / _RECORD.itemsize
    if (
        not is_binary
        and _BEGIN.match(content)
        and (b"\0" not in content[:512].rstrip(b"\0") or _is_wide(content))
    ):
        corners_F33 = _ascii(path, content)
    elif count < 0:
        raise PointCloudError(path, "too short for an STL header")
    else:
        held = count if is_binary else _count(path, count, len(content))
        records = np.frombuffer(content, _RECORD, held, offset=_HEADER)
        with np.errstate(invalid="ignore"):  # signaling NaN
            corners_F33 = records["corners"].astype(np.float64)
    if len(corners_F33) == 0:
        raise PointCloudError(path, "no faces")
    valid_F = np.asarray(np.isfinite(corners_F33.reshape(-1, 9)).all(axis=1))
    lost = int((~valid_F).sum())
    if lost == len(valid_F):
        raise PointCloudError(path, f"none of its {lost} triangles is finite")
    if lost:
        reason = f"{lost} of {len(valid_F)} triangles are not finite and were left out"
        warnings.warn(PointCloudWarning(path, reason), stacklevel=2)
    vertices_V3, numbers_K = _merge(corners_F33[valid_F].reshape(-1, 3))
    return validate_mesh(vertices_V3, numbers_K.reshape(-1, 3), str(path))


def _is_wide(content: bytes) -> bool:
    """Whether it is text in UTF-16, with or without a mark."""
    return content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"s\0o\0l\0i\0d" in content[:64]


def _count(path: Path, promised: int, size: int) -> int:
    """Returns the number of triangles of a binary file that has another size than its header promises.

    Raises:
        PointCloudError: the file is truncated.
    """
    held, rest = divmod(size - _HEADER, _RECORD.itemsize)
    reason = f"its header promises {promised} triangles, but {held} follow"
    if 0 < promised < held or (promised == held and rest):
        if rest:  # something was appended
            held, reason = (
                promised,
                f"{size - _HEADER - _RECORD.itemsize * promised} bytes after its triangles",
            )
            warnings.warn(PointCloudWarning(path, f"{reason} were ignored"), stacklevel=3)
            return held
    elif not held or not (promised == 0 or (rest == 0 and (promised == held + 1 or promised > MAX_POINTS))):
        raise PointCloudError(path, f"{promised} triangles do not fit into {size} bytes")
    warnings.warn(PointCloudWarning(path, f"{reason}; all are used"), stacklevel=3)
    return held


def _ascii(path: Path, content: bytes) -> NDArray[np.float64]:
    text = decode(content.rstrip(b"\0") if not _is_wide(content) else content, path)
    ends = [match.end() for match in _END_FACET.finditer(text)]
    if not _END.search(text, ends[-1] if ends else 0):
        raise PointCloudError(path, "truncated: no endsolid at the end")
    rows = _VERTEX.findall(text)
    corners_K3 = parse_numbers(path, rows, line_of(text, _VERTEX), columns=(0, 1, 2))
    if len(corners_K3) != len(rows) or len(rows) != 3 * len(_FACET.findall(text)):
        raise PointCloudError(path, "a facet does not have three vertices of three numbers")
    return corners_K3.reshape(-1, 3, 3)


def _merge(corners_K3: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns the unique rows, and for each row the number of its unique row."""
    order_K = np.lexsort(corners_K3.T)
    sorted_K3 = corners_K3[order_K]
    is_new_K = np.ones(len(corners_K3), bool)
    is_new_K[1:] = (sorted_K3[1:] != sorted_K3[:-1]).any(axis=1)
    numbers_K = np.empty(len(corners_K3), np.int64)
    numbers_K[order_K] = np.cumsum(is_new_K) - 1
    return sorted_K3[is_new_K], numbers_K
