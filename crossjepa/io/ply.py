"""Reader of ply files, ASCII and binary in either byte order.

V vertices, F faces
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.appearance import Appearance, unit_colors
from crossjepa.io.ply_body import FACE_LISTS, AsciiReader, BinaryReader, Element
from crossjepa.io.shapes import Mesh, PointCloud, check_count, triangulate, validate_mesh, validate_points

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_MAX_HEADER = 1 << 20
_END = re.compile(rb"[\r\n][ \t]*end_header[ \t]*(\r\n|\n|\r|$)")
_COLOR_NAMES = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))


def read_ply(path: Path, *, color: bool = False) -> PointCloud | Mesh:
    """Reads a PLY file: a mesh, or a point cloud if it has no faces.

    Args:
        path: the file.
        color: whether to read the colors of vertices too.
    """
    content = path.read_bytes()
    order, elements, start = _header(path, content)
    reader = AsciiReader(path, content, start) if order == "=" else BinaryReader(path, content, start, order)
    vertices_V3, colors_V3, polygons = None, None, []
    for element in elements:
        if element.count == 0 and element.name != "vertex":
            continue
        if element.list_types:
            polygons_here = reader.lists(element)
            polygons += polygons_here if element.name == "face" else []
        else:
            columns = reader.scalars(element)
            if element.name == "vertex":
                missing = [axis for axis in "xyz" if axis not in columns]
                if missing:
                    raise PointCloudError(path, f"its vertices have no property {missing[0]}")
                vertices_V3 = np.stack([columns[axis].astype(np.float64) for axis in "xyz"], axis=1)
                colors_V3 = _colors(element, columns) if color else None
    if vertices_V3 is None:
        raise PointCloudError(path, "has no element named vertex with properties that are not lists")
    faces_F3 = triangulate(polygons)
    if len(faces_F3) == 0:
        return PointCloud(validate_points(vertices_V3, str(path)), colors_V3)
    mesh = validate_mesh(vertices_V3, faces_F3, str(path))
    return mesh if colors_V3 is None else replace(mesh, appearance=Appearance.of_corners(colors_V3[faces_F3]))


def _header(path: Path, content: bytes) -> tuple[str, list[Element], int]:
    """Returns the byte order, the elements, and the position of the data."""
    end = _END.search(content, 0, _MAX_HEADER)
    if not content.startswith(b"ply") or end is None:
        raise PointCloudError(path, "has no PLY header")
    order, elements = "", []
    for line in content[: end.start()].decode("latin-1").splitlines()[1:]:
        words = line.split()
        if not words or words[0] in ("comment", "obj_info"):
            continue
        try:
            if words[0] == "format":
                order = _ORDERS[words[1]]
            elif words[0] == "element":
                elements.append(Element(words[1], int(words[2])))
                check_count(elements[-1].count, str(path), f"of element {words[1]}")
            elif words[0] == "property" and words[1] == "list":
                count_type, item_type = _TYPES[words[2]], _TYPES[words[3]]
                if "f" in count_type or ("f" in item_type and words[4] in FACE_LISTS):
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
