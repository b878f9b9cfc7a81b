"""The body of a PLY file: its elements, as text or as binary records.

P polygons of the same k corners
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.text import parse_numbers, parse_polygons, split_lines

FACE_LISTS = (
    "vertex_indices",
    "vertex_index",
    "vertex_indexes",
    "vertex_ids",
    "vertex_list",
    "vertexindices",
    "vertexindex",
    "corners",
    "vertices",
    "indices",
)
FACE_NAMES = ("face", "faces", "facet", "facets", "triangle", "triangles", "polygon", "polygons")


@dataclass
class Element:
    """A block of `count` records, such as vertices, with the same properties, some of which may be lists.

    Attributes:
        names: names of the properties, in order.
        types: NumPy's names for their types; "list" for lists.
        list_types: types of the count and of the items of each list, by its name.
    """

    name: str
    count: int
    names: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    list_types: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def face_list(self) -> str:
        """Name of the list of vertex numbers, "" if there is none."""
        by_lower = {name.lower(): name for name in self.list_types}
        named = next((by_lower[name] for name in FACE_LISTS if name in by_lower), "")
        integers = [name for name, (_, kind) in self.list_types.items() if "f" not in kind]
        return named or (integers[0] if self.name in FACE_NAMES and len(integers) == 1 else "")


class BinaryReader:
    """Reads one element after another from bytes, after checking that enough of them are left."""

    def __init__(self, path: Path, content: bytes, position: int, order: str) -> None:
        self.path, self.data, self.position, self.order = path, content, position, order

    def scalars(self, element: Element) -> dict[str, NDArray[Any]]:
        """Reads the properties of an element that are no lists; returns one column for each."""
        names = _unique(self.path, element)
        if element.list_types:
            return self._scalars_beside_lists(element)
        dtype = np.dtype([(name, self.order + kind) for name, kind in zip(names, element.types, strict=True)])
        needed, left = dtype.itemsize * element.count, len(self.data) - self.position
        if needed > left:
            raise PointCloudError(
                self.path,
                f"truncated: {element.count} of element {element.name} need {needed} bytes, {left} are left",
            )
        records = np.frombuffer(self.data, dtype, element.count, self.position)
        self.position += needed
        return {name: records[name] for name in names}

    def _scalars_beside_lists(self, element: Element) -> dict[str, NDArray[Any]]:
        """Finds each run of scalars between lists in each record, then reads all of them at once."""
        runs: list[list[tuple[str, str]]] = [[]]
        for name, kind in zip(element.names, element.types, strict=True):
            if kind == "list":
                runs.append([])
            else:
                runs[-1].append((name, self.order + kind))
        dtypes = [np.dtype(run) for run in runs]
        kinds = list(element.list_types.values())
        starts: list[list[int]] = [[] for _ in runs]
        position = self.position
        for _ in range(element.count):
            for number, dtype in enumerate(dtypes):
                if number:
                    _, position = self._list_length(element, *kinds[number - 1], position)
                starts[number].append(position)
                position += dtype.itemsize
            if position > len(self.data):
                raise PointCloudError(self.path, f"truncated: ends inside element {element.name}")
        self.position = position
        bytes_1 = np.frombuffer(self.data, np.uint8)
        columns: dict[str, NDArray[Any]] = {}
        for run_starts, dtype in zip(starts, dtypes, strict=True):
            if dtype.names:
                places = np.array(run_starts, np.int64)[:, None] + np.arange(dtype.itemsize)
                records = np.ascontiguousarray(bytes_1[places]).view(dtype).ravel()
                columns |= {name: records[name] for name in dtype.names}
        return columns

    def lists(self, element: Element) -> list[NDArray[np.int64]]:
        """Reads an element with lists; returns the (P, k) vertex numbers for each number of corners k."""
        polygons_Pk = self._lists_of_same_length(element)
        return self._lists_one_by_one(element) if polygons_Pk is None else [polygons_Pk]

    def _lists_of_same_length(self, element: Element) -> NDArray[np.int64] | None:
        """Reads all records at once if their lists are as long as those of the first record, as is usual."""
        dtype = self._first_record(element)
        if dtype.itemsize * element.count > len(self.data) - self.position:
            return None
        records = np.frombuffer(self.data, dtype, element.count, self.position)
        lengths = [records[f"count {name}"] for name in element.list_types]
        if any((length != length[0]).any() for length in lengths):
            return None
        self.position += dtype.itemsize * element.count
        wanted = element.face_list
        return records[wanted].astype(np.int64) if wanted else np.zeros((0, 0), np.int64)

    def _first_record(self, element: Element) -> np.dtype[np.void]:
        fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
        position = self.position
        for name, kind in zip(_unique(self.path, element), element.types, strict=True):
            if kind == "list":
                count_kind, item_kind = element.list_types[name]
                count, position = self._list_length(element, count_kind, item_kind, position)
                fields.append((f"count {name}", self.order + count_kind))
                fields.append((name, self.order + item_kind, (count,)))
            else:
                fields.append((name, self.order + kind))
                position += int(kind[1])
        return np.dtype(fields)

    def _list_length(
        self, element: Element, count_kind: str, item_kind: str, position: int
    ) -> tuple[int, int]:
        """Returns the length of a list, and the position of its end."""
        width = int(count_kind[1])
        order: Literal["little", "big"] = "little" if self.order == "<" else "big"
        count = int.from_bytes(self.data[position : position + width], order, signed=count_kind[0] == "i")
        end = position + width + count * int(item_kind[1])
        if count < 0 or end > len(self.data):
            raise PointCloudError(
                self.path,
                f"truncated: a list of {count} entries in element {element.name} extends beyond the end",
            )
        return count, end

    def _lists_one_by_one(self, element: Element) -> list[NDArray[np.int64]]:
        """Finds the vertex numbers of each record, then reads all lists of the same length at once."""
        starts_by_corners: dict[int, list[int]] = {}
        wanted, position = element.face_list, self.position
        kinds = [
            (name == wanted, int(kind[1]) if kind != "list" else 0, element.list_types.get(name, ("", "")))
            for name, kind in zip(element.names, element.types, strict=True)
        ]
        for _ in range(element.count):
            for is_wanted, width, (count_kind, item_kind) in kinds:
                if width:
                    position += width
                    continue
                start = position + int(count_kind[1])
                count, position = self._list_length(element, count_kind, item_kind, position)
                if is_wanted:
                    starts_by_corners.setdefault(count, []).append(start)
            if position > len(self.data):
                raise PointCloudError(self.path, f"truncated: ends inside element {element.name}")
        self.position = position
        return [self._gather(element, count, starts) for count, starts in starts_by_corners.items()]

    def _gather(self, element: Element, count: int, starts: list[int]) -> NDArray[np.int64]:
        item = np.dtype(self.order + element.list_types[element.face_list][1])
        bytes_1 = np.frombuffer(self.data, np.uint8)
        polygons = bytes_1[np.array(starts)[:, None] + np.arange(count * item.itemsize)]
        return np.ascontiguousarray(polygons).view(item).astype(np.int64).reshape(len(starts), count)


class AsciiReader:
    """Reads one element after another from lines of text."""

    def __init__(self, path: Path, content: bytes, start: int) -> None:
        self.path, self.position = path, 0
        lines = split_lines(content[start:].decode("latin-1"))
        header = len(split_lines(content[:start].decode("latin-1")))
        filled = [number for number, line in enumerate(lines) if line and not line.isspace()]
        self.lines = [lines[number] for number in filled]
        self.numbers = [header + 1 + number for number in filled]

    def _take(self, element: Element) -> list[str]:
        lines = self.lines[self.position : self.position + element.count]
        if len(lines) < element.count:
            raise PointCloudError(
                self.path,
                f"truncated: {element.count} of element {element.name}, but only {len(lines)} lines",
            )
        self.position += element.count
        return lines

    def scalars(self, element: Element) -> dict[str, NDArray[Any]]:
        """Reads the properties of an element that are no lists; returns one column for each."""
        names, first = _unique(self.path, element), self.position
        lines = self._take(element)
        if element.list_types:
            names = [name for name in names if name not in element.list_types]
            found = [self._fields_of(element, line, first + index) for index, line in enumerate(lines)]
            lines = [" ".join(scalars) for scalars, _ in found]
        if not lines:
            return {name: np.zeros(0) for name in names}
        table = parse_numbers(self.path, lines, lambda index: self.numbers[first + index])
        if table.shape != (len(lines), len(names)):
            raise PointCloudError(
                self.path,
                f"element {element.name} has {table.shape[-1]} numbers per line, expected {len(names)}",
            )
        return dict(zip(names, table.T, strict=True))

    def lists(self, element: Element) -> list[NDArray[np.int64]]:
        """Reads an element with lists; returns the (P, k) vertex numbers for each number of corners k."""
        _unique(self.path, element)
        first, lines, corners = self.position, list[str](), list[int]()
        for index, line in enumerate(self._take(element)):
            _, numbers = self._fields_of(element, line, first + index)
            lines.append(" ".join(numbers))
            corners.append(len(numbers))
        return [polygons_Pk for _, polygons_Pk in parse_polygons(self.path, lines, corners)]

    def _fields_of(self, element: Element, line: str, number: int) -> tuple[list[str], list[str]]:
        """Returns the scalars and the vertex numbers of a record."""
        fields, position, wanted = line.split(), 0, element.face_list
        scalars, found = list[str](), list[str]()
        for name, kind in zip(element.names, element.types, strict=True):
            field = fields[position] if position < len(fields) else ""
            position += 1
            if kind != "list":
                scalars.append(field)
                continue
            if not field.isdecimal() or len(field) > 9:
                position = len(fields) + 1
                break
            if name == wanted:
                found = fields[position : position + int(field)]
            position += int(field)
        if position > len(fields):
            reason = f"line {self.numbers[number]}: {line.strip()[:40]!r} is not understood"
            raise PointCloudError(self.path, reason)
        return scalars, found


def _unique(path: Path, element: Element) -> list[str]:
    if len(set(element.names)) != len(element.names) or not element.names:
        raise PointCloudError(path, f"element {element.name} has no properties, or two of the same name")
    return element.names
