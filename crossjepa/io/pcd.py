"""Reader of pcd files (Point Cloud Library): ascii, binary and binary_compressed.

N points
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.columns import find_columns
from crossjepa.io.content import read_content
from crossjepa.io.shapes import PointCloud, as_cloud, check_count
from crossjepa.io.text import parse_numbers, split_lines, to_ascii

_KINDS = {"F": "f", "I": "i", "U": "u", "B": "u"}
_MAX_HEADER = 1 << 16


def read_pcd(path: Path) -> PointCloud:
    """Reads the fields x, y and z of a PCD file, which may have others."""
    content = to_ascii(read_content(path), path)
    header, start = _header(path, content)
    dtype, columns, count = _layout(path, header)
    kind, data = header["DATA"][0].lower(), content[start:]
    if kind == "ascii":
        points_N3 = _ascii(path, data, columns, count, content.count(b"\n", 0, start) + 1)
    elif kind == "binary":
        points_N3 = _binary(path, data, dtype, count)
    elif kind == "binary_compressed":
        points_N3 = _compressed(path, data, dtype, count)
    else:
        raise PointCloudError(path, f"DATA {kind!r} is not ascii, binary or binary_compressed")
    return as_cloud(points_N3, str(path))


def _header(path: Path, content: bytes) -> tuple[dict[str, list[str]], int]:
    header: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in header:
        end = content.find(b"\n", start, _MAX_HEADER)
        if end < 0:
            raise PointCloudError(path, "has no PCD header")
        words = content[start:end].decode("latin-1").split("#")[0].split()
        if words:
            keyword = words[0].upper()
            header["FIELDS" if keyword == "COLUMNS" else keyword] = words[1:]  # COLUMNS in version 0.5
        start = end + 1
    missing = [name for name in ("FIELDS", "SIZE", "TYPE") if not header.get(name)]
    if missing or not header["DATA"]:
        raise PointCloudError(path, f"its header has no {(missing or ['DATA'])[0]}")
    return header, start


def _layout(path: Path, header: dict[str, list[str]]) -> tuple[np.dtype[np.void], list[int], int]:
    """Returns the record type, the ascii columns of x, y and z, and the number of points."""
    names = header["FIELDS"]
    try:
        columns = find_columns(names)
    except ValueError as error:
        reason = f"has no fields x, y and z, only {' '.join(names)} ({error})"
        raise PointCloudError(path, reason) from error
    try:
        repeats = [int(word) for word in header.get("COUNT", ["1"] * len(names))]
        kinds = [
            _KINDS[kind.upper()] + str(int(size))
            for kind, size in zip(header["TYPE"], header["SIZE"], strict=True)
        ]
        if "POINTS" in header:
            count = int(header["POINTS"][0])
        else:
            count = math.prod(max(int(header[name][0]), 0) for name in ("WIDTH", "HEIGHT"))
        if not all(0 <= repeat <= 1_000_000 for repeat in repeats):
            raise ValueError("COUNT out of range")
        # PCL pads records with fields named "_", so names are not unique; PDAL writes X, Y and Z.
        axes = dict(zip(columns, "xyz", strict=True))
        fields = [
            (axes.get(number, f"{name} {number}"), "<" + kind, (repeat,))
            for number, (name, kind, repeat) in enumerate(zip(names, kinds, repeats, strict=True))
        ]
        dtype = np.dtype(fields)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise PointCloudError(path, f"its header is not understood ({error})") from error
    if any(dtype.fields is None or axis not in dtype.fields or dtype[axis].shape != (1,) for axis in "xyz"):
        raise PointCloudError(path, f"has no fields x, y and z, only {' '.join(names)}")
    check_count(count, str(path))
    starts = np.concatenate([[0], np.cumsum(repeats)])
    return dtype, [int(starts[number]) for number in columns], count


def _ascii(path: Path, data: bytes, columns: list[int], count: int, first_line: int) -> NDArray[np.float64]:
    lines = [line for line in split_lines(data.decode("latin-1")) if line.strip()]
    if len(lines) != count:
        raise PointCloudError(path, f"its header promises {count} points, but {len(lines)} lines follow")
    if not lines:
        return np.zeros((0, 3))
    table = parse_numbers(path, lines, lambda index: first_line + index)
    if max(columns) >= table.shape[1]:
        raise PointCloudError(path, f"its lines have only {table.shape[1]} numbers each")
    return np.asarray(table[:, columns])


def _binary(path: Path, data: bytes, dtype: np.dtype[np.void], count: int) -> NDArray[np.float64]:
    if count * dtype.itemsize > len(data):
        raise PointCloudError(
            path, f"{count} points need {count * dtype.itemsize} bytes, only {len(data)} follow"
        )
    records = np.frombuffer(data, dtype, count)
    return np.stack([records[axis][:, 0].astype(np.float64) for axis in "xyz"], axis=1)


def _compressed(path: Path, data: bytes, dtype: np.dtype[np.void], count: int) -> NDArray[np.float64]:
    """Decompresses the data, in which each field is stored for all points before the next field."""
    needed = count * dtype.itemsize
    if len(data) < 8:
        raise PointCloudError(path, "ends before its compressed data")
    packed_size, size = struct.unpack("<II", data[:8])
    if packed_size > len(data) - 8:
        raise PointCloudError(path, f"promises {packed_size} compressed bytes, only {len(data) - 8} follow")
    if size != needed:
        raise PointCloudError(path, f"{count} points need {needed} bytes, the compressed data promise {size}")
    plain = lzf_decompress(path, data[8 : 8 + packed_size], size)
    columns, start = {}, 0
    for name in dtype.names or ():
        field = dtype[name]
        if name in ("x", "y", "z"):
            columns[name] = np.frombuffer(plain, field.base, count, start).astype(np.float64)
        start += field.base.itemsize * math.prod(field.shape) * count
    return np.stack([columns[axis] for axis in "xyz"], axis=1)


def lzf_decompress(path: Path, packed: bytes, size: int) -> bytes:
    """Decompresses LZF data, which consist of literal bytes and of references to earlier output.

    Raises:
        PointCloudError: the data are damaged, or do not decompress to `size` bytes.
    """
    output = bytearray()
    position = 0
    try:
        while position < len(packed):
            control = packed[position]
            position += 1
            if control < 32:
                output += packed[position : position + control + 1]
                position += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += packed[position]
                position += 1
            start = len(output) - ((control & 31) << 8) - packed[position] - 1
            position += 1
            if start < 0 or len(output) > size:
                raise IndexError
            block = output[start : start + length + 2]
            output += (block * ((length + 2) // len(block) + 1))[: length + 2]
    except IndexError as error:
        raise PointCloudError(path, "its compressed data are damaged") from error
    if len(output) != size:
        raise PointCloudError(path, f"its compressed data give {len(output)} bytes instead of {size}")
    return bytes(output)
