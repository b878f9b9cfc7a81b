"""Reader of ply files, ASCII and binary in either byte order.

V vertices, F faces
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.appearance import Appearance, unit_colors
from crossjepa.io.columns import find_columns
from crossjepa.io.content import read_content
from crossjepa.io.ply_body import FACE_LISTS, FACE_NAMES, AsciiReader, BinaryReader, Element
from crossjepa.io.polygons import cut_polygons, strip_triangles
from crossjepa.io.shapes import Mesh, PointCloud, as_cloud, check_count, validate_mesh
from crossjepa.io.text import split_lines, to_ascii

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8", "int64": "i8", "uint64": "u8", "long": "i8",
    "ulong": "u8", "longlong": "i8", "ulonglong": "u8", "bool": "u1", "boolean": "u1", "half": "f2",
    "float16": "f2", "byte": "i1", "ubyte": "u1",
}  # fmt: skip
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_VERTEX_NAMES = ("vertex", "vertices", "point", "points")
_STRIP_NAMES = ("tristrips", "tristrip", "triangle_strips", "strips")
_MAX_HEADER = 1 << 20
_END = re.compile(rb"[\r\n][ \t]*end_header[ \t]*(\r\n|\n|\r|$)")
_COLOR_NAMES = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))


def read_ply(path: Path, *, color: bool = False) -> PointCloud | Mesh:
    """Reads a PLY file: a mesh, or a point cloud if it has no faces.

    Args:
        path: the file.
        color: whether to read the colors of vertices too.
    """
    content = to_ascii(read_content(path), path)
    order, elements, start = _header(path, content)
    reader = AsciiReader(path, content, start) if order == "=" else BinaryReader(path, content, start, order)
    vertices_V3, colors_V3 = None, None
    polygons: dict[str, list[NDArray[np.int64]]] = {"face": [], "strip": []}
    vertex_name = next((name for name in _VERTEX_NAMES if any(each.name == name for each in elements)), "")
    for element in elements:
        if element.name == vertex_name and vertices_V3 is None:
            columns = reader.scalars(element)
            vertices_V3 = _coordinates(path, columns)
            colors_V3 = _colors(element, columns) if color else None
        elif element.count:
            kind = "face" if element.name in FACE_NAMES else "strip" if element.name in _STRIP_NAMES else ""
            if kind and not element.face_list:
                raise PointCloudError(path, f"its element {element.name} has no list vertex_indices")
            if element.list_types:
                polygons.setdefault(kind, []).extend(reader.lists(element))
            else:
                reader.scalars(element)
    if vertices_V3 is None:
        raise PointCloudError(path, "has no element named vertex")
    strips = [strip_triangles(corners_k) for strips_Pk in polygons["strip"] for corners_k in strips_Pk]
    faces_F3 = cut_polygons(polygons["face"] or strips, vertices_V3, str(path))
    if len(faces_F3) == 0:
        return as_cloud(vertices_V3, str(path), colors_V3)

    def paint(faces_F3: NDArray[np.int64]) -> Appearance | None:
        return None if colors_V3 is None else Appearance.of_corners(colors_V3[faces_F3])

    return validate_mesh(vertices_V3, faces_F3, str(path), paint)


def _coordinates(path: Path, columns: dict[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    names = list(columns)
    try:
        chosen = [columns[names[column]] for column in find_columns(names)]
    except ValueError as error:
        raise PointCloudError(path, f"its vertices have no properties x, y and z ({error})") from error
    with np.errstate(invalid="ignore"):  # signaling NaN
        return np.stack([column.astype(np.float64) for column in chosen], axis=1)


def _header(path: Path, content: bytes) -> tuple[str, list[Element], int]:
    """Returns the byte order, the elements, and the position of the data."""
    end = _END.search(content, 0, _MAX_HEADER)
    if content[:3].lower() != b"ply" or end is None:
        raise PointCloudError(path, "has no PLY header")
    order, elements = "", []
    for line in split_lines(content[: end.start()].decode("latin-1"))[1:]:
        words = line.split()
        if not words or words[0].lower() in ("comment", "obj_info"):
            continue
        words[:2] = [word.lower() for word in words[:2]]
        try:
            if words[0] == "format":
                order = _ORDERS[words[1]]
            elif words[0] == "element":
                elements.append(Element(words[1], int(words[2])))
                check_count(elements[-1].count, str(path), f"of element {words[1]}")
            elif words[0] == "property" and words[1] == "list":
                count_type, item_type = _TYPES[words[2].lower()], _TYPES[words[3].lower()]
                if "f" in count_type or ("f" in item_type and words[4].lower() in FACE_LISTS):
                    raise ValueError("vertex numbers must be integers")
                elements[-1].list_types[words[4]] = (count_type, item_type)
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
    return order, elements, end.end()


def _colors(element: Element, columns: dict[str, NDArray[np.generic]]) -> NDArray[np.float32] | None:
    types = dict(zip(element.names, element.types, strict=True))
    for names in _COLOR_NAMES:
        if all(name in columns for name in names):
            # Numbers of ASCII files arrive as floats, whatever their type.
            with np.errstate(invalid="ignore"):
                return unit_colors(np.stack([columns[name].astype(types[name]) for name in names], axis=1))
    return None
