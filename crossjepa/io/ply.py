"""ply: ASCII and binary of either byte order.

V vertices, F faces
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.io.errors import PointCloudError
from crossjepa.io.shapes import Mesh, PointCloud, check_count, triangulate, validate_mesh, validate_points

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_MAX_HEADER = 1 << 20
FACE_LISTS = ("vertex_indices", "vertex_index")


@dataclass
class _Element:
    """A block of the file: `count` records of scalar properties, or of one list among them."""

    name: str
    count: int
    names: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    list_types: dict[str, str] = field(default_factory=dict)


def read_ply(path: Path) -> PointCloud | Mesh:
    """Reads a PLY file; without faces it is a point cloud."""
    content = path.read_bytes()
    order, elements, start = _header(path, content)
    reader = (
        _AsciiReader(path, content[start:]) if order == "=" else _BinaryReader(path, content[start:], order)
    )
    vertices_V3, polygons = None, []
    for element in elements:
        if element.list_types:
            polygons_here = reader.lists(element)
            polygons += polygons_here if element.name == "face" else []
        else:
            columns = reader.scalars(element)
            if element.name == "vertex":
                vertices_V3 = _positions(path, columns)
    if vertices_V3 is None:
        raise PointCloudError(path, "has no element called vertex")
    faces_F3 = triangulate(polygons)
    if len(faces_F3) == 0:
        return PointCloud(validate_points(vertices_V3, str(path)))
    return validate_mesh(vertices_V3, faces_F3, str(path))


def _header(path: Path, content: bytes) -> tuple[str, list[_Element], int]:
    """Returns the byte order, the elements, and where the data begins."""
    end = content.find(b"end_header", 0, _MAX_HEADER)
    if not content.startswith(b"ply") or end < 0:
        raise PointCloudError(path, "has no PLY header")
    newline = content.find(b"\n", end)
    start = len(content) if newline < 0 else newline + 1
    order, elements = "", []
    for line in content[:end].decode("latin-1").splitlines()[1:]:
        words = line.split()
        if not words or words[0] in ("comment", "obj_info"):
            continue
        try:
            if words[0] == "format":
                order = _ORDERS[words[1]]
            elif words[0] == "element":
                elements.append(_Element(words[1], int(words[2])))
                check_count(elements[-1].count, str(path), f"of element {words[1]}")
            elif words[0] == "property" and words[1] == "list":
                elements[-1].list_types[words[4]] = _TYPES[words[2]] + " " + _TYPES[words[3]]
                elements[-1].names.append(words[4])
                elements[-1].types.append("list")
            elif words[0] == "property":
                elements[-1].names.append(words[2])
                elements[-1].types.append(_TYPES[words[1]])
        except (KeyError, IndexError, ValueError) as error:
            if isinstance(error, PointCloudError):
                raise
            raise PointCloudError(path, f"header line {line.strip()[:60]!r} is not understood") from error
    if not order:
        raise PointCloudError(path, "its header names no format")
    return order, elements, start


def _positions(path: Path, columns: dict[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    missing = [axis for axis in "xyz" if axis not in columns]
    if missing:
        raise PointCloudError(path, f"its vertices have no property {missing[0]}")
    return np.stack([columns[axis].astype(np.float64) for axis in "xyz"], axis=1)


class _BinaryReader:
    """Takes elements off a block of bytes, each checked against what is left."""

    def __init__(self, path: Path, data: bytes, order: str) -> None:
        self.path, self.data, self.order, self.position = path, data, order, 0

    def _take(self, dtype: np.dtype[np.void], count: int, name: str) -> NDArray[np.void]:
        needed, left = dtype.itemsize * count, len(self.data) - self.position
        if needed > left:
            raise PointCloudError(
                self.path, f"{count} of element {name} need {needed} bytes, only {left} are left"
            )
        records = np.frombuffer(self.data, dtype, count, self.position)
        self.position += needed
        return records

    def scalars(self, element: _Element) -> dict[str, NDArray[np.generic]]:
        names = _unique(self.path, element)
        dtype = np.dtype([(name, self.order + kind) for name, kind in zip(names, element.types, strict=True)])
        records = self._take(dtype, element.count, element.name)
        return {name: records[name] for name in names}

    def lists(self, element: _Element) -> list[NDArray[np.int64]]:
        """Reads records with lists; runs of records with lists of the same lengths are read at once."""
        wanted = next((name for name in FACE_LISTS if name in element.list_types), "")
        polygons: list[NDArray[np.int64]] = []
        left = element.count
        while left:
            dtype = self._record_type(element)
            available = min(left, (len(self.data) - self.position) // dtype.itemsize)
            if available == 0:
                raise PointCloudError(
                    self.path, f"ends {left} records before the end of element {element.name}"
                )
            records = np.frombuffer(self.data, dtype, available, self.position)
            same = np.ones(available, bool)
            for name in element.list_types:
                same &= records[f"count {name}"] == records[f"count {name}"][0]
            run = available if same.all() else int(same.argmin())
            if wanted and records[wanted].ndim == 2:
                polygons.append(records[wanted][:run].astype(np.int64))
            self.position += run * dtype.itemsize
            left -= run
        return polygons

    def _record_type(self, element: _Element) -> np.dtype[np.void]:
        """The layout of the next record, whose list lengths stand in the data."""
        fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
        position = self.position
        for name, kind in zip(_unique(self.path, element), element.types, strict=True):
            if kind != "list":
                fields.append((name, self.order + kind))
                position += np.dtype(kind).itemsize
                continue
            count_kind, item_kind = element.list_types[name].split()
            width = np.dtype(count_kind).itemsize
            if position + width > len(self.data):
                raise PointCloudError(self.path, f"ends inside element {element.name}")
            count = int(np.frombuffer(self.data, self.order + count_kind, 1, position)[0])
            if not 0 <= count <= (len(self.data) - position) // np.dtype(item_kind).itemsize:
                raise PointCloudError(self.path, f"a list of element {element.name} claims {count} entries")
            fields += [(f"count {name}", self.order + count_kind), (name, self.order + item_kind, (count,))]
            position += width + count * np.dtype(item_kind).itemsize
        return np.dtype(fields)


class _AsciiReader:
    """Takes elements off the lines of a text."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self.position = path, 0
        self.lines = [line for line in data.decode("latin-1").splitlines() if line.strip()]

    def _take(self, element: _Element) -> list[str]:
        lines = self.lines[self.position : self.position + element.count]
        if len(lines) < element.count:
            raise PointCloudError(
                self.path, f"{element.count} of element {element.name}, but only {len(lines)} lines"
            )
        self.position += element.count
        return lines

    def scalars(self, element: _Element) -> dict[str, NDArray[np.generic]]:
        from crossjepa.io.text import parse_numbers

        lines, names = self._take(element), _unique(self.path, element)
        if not lines:
            return {name: np.zeros(0) for name in names}
        table = parse_numbers(self.path, lines, 1)
        if table.shape != (len(lines), len(names)):
            raise PointCloudError(self.path, f"element {element.name} has {table.shape[-1]} numbers a line")
        return dict(zip(names, table.T, strict=True))

    def lists(self, element: _Element) -> list[NDArray[np.int64]]:
        by_corners: dict[int, list[list[str]]] = {}
        wanted = next((name for name in FACE_LISTS if name in element.list_types), "")
        for line in self._take(element):
            corners = self._list_of(element, line.split(), wanted)
            by_corners.setdefault(len(corners), []).append(corners)
        try:
            return [np.array(rows, np.int64).reshape(len(rows), -1) for rows in by_corners.values()]
        except (ValueError, OverflowError) as error:
            raise PointCloudError(
                self.path, f"element {element.name} holds no whole numbers ({error})"
            ) from error

    def _list_of(self, element: _Element, fields: list[str], wanted: str) -> list[str]:
        position, found = 0, []
        for name, kind in zip(element.names, element.types, strict=True):
            step = 1
            if kind == "list":
                count = (
                    int(fields[position]) if position < len(fields) and fields[position].isdecimal() else -1
                )
                step += count
                found = fields[position + 1 : position + step] if name == wanted else found
            position += step
            if step < 1 or position > len(fields):
                raise PointCloudError(
                    self.path, f"element {element.name}: {' '.join(fields)[:40]!r} is not understood"
                )
        return found


def _unique(path: Path, element: _Element) -> list[str]:
    if len(set(element.names)) != len(element.names) or not element.names:
        raise PointCloudError(path, f"element {element.name} has no properties, or one of them twice")
    return element.names
