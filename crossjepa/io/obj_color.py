"""Colors of obj files: materials with their textures, and colors of vertices.

V vertices, F faces, P polygons of the same k corners, T texture coordinates
"""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.appearance import Appearance, unit_colors, valid_uv
from crossjepa.io.images import decode_texture, find_beside, read_image
from crossjepa.io.polygons import Triangulation
from crossjepa.io.text import parse_numbers, parse_polygons, read_text_file

logger = logging.getLogger(__name__)

FACE = re.compile(r"^[ \t]*f(?=\s)([^\n#]*)", re.MULTILINE)
_LIBRARY = re.compile(r"^[ \t]*mtllib[ \t]+([^\n]+)", re.MULTILINE)
_USE = re.compile(r"^[ \t]*usemtl(?:[ \t]+([^\n]*))?$", re.MULTILINE)
_PLACE = re.compile(r"^[ \t]*vt(?=\s)([^\n#]*)", re.MULTILINE)
# Options such as "-s 1 1 1", which precede the name of a texture.
_OPTION = re.compile(r"^-[A-Za-z]+([ \t]+(-?[\d.]+([eE]-?\d+)?|on|off))*[ \t]+")
# Where images lie that are not where their names say; ShapeNet names those beside the folder of its models.
_IMAGE_FOLDERS = ("images", "textures", "../images", "../textures")
_WHITE = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Material:
    """The color of a material in an mtl file."""

    color: tuple[float, ...] = _WHITE
    image: str = ""
    cut_out: bool = False


def obj_appearance(
    path: Path, text: str, vertex_rows: list[str], triangles: Triangulation
) -> Appearance | None:
    """Collects the colors of an OBJ file; None if there are none or, with a warning, if they are damaged.

    Args:
        path: the file.
        text: its text.
        vertex_rows: the text after each "v".
        triangles: what its polygons were cut into.
    """
    try:
        with np.errstate(all="ignore"):
            return _appearance(path, text, vertex_rows, triangles)
    except (ValueError, OverflowError, IndexError) as error:
        logger.warning("%s: its colors are ignored (%s)", path, error)
        return None


def _appearance(path: Path, text: str, vertex_rows: list[str], triangles: Triangulation) -> Appearance | None:
    materials = _materials(path, text)
    used = ["", *(name.strip() for name in _USE.findall(text))]
    used_F = count_before_faces(text, _USE)[triangles.row_F]
    colors_V3 = _vertex_colors(path, vertex_rows)
    if colors_V3 is None and not any(name in materials for name in used):
        return None
    plain = Appearance.of_corners(
        np.ones((*triangles.faces_F3.shape, 3), np.float32)
        if colors_V3 is None
        else colors_V3[triangles.faces_F3]
    )
    known = [materials.get(name, Material()) for name in used]
    tint_F3 = np.array([material.color for material in known], np.float32)[used_F]
    textures, numbers = _textures(path, known)
    uv_F32 = _places(path, text, triangles) if textures else None
    if uv_F32 is None:
        textures, numbers = (), [-1] * len(known)
    return Appearance(
        plain.colors_F33 * tint_F3[:, None],
        np.array(numbers, np.int64)[used_F],
        plain.uv_F32 if uv_F32 is None else uv_F32,
        textures,
    )


def count_before_faces(text: str, pattern: re.Pattern[str]) -> NDArray[np.int64]:
    """Returns the number of matches of a pattern before each face."""
    found, faces = ([match.start() for match in each.finditer(text)] for each in (pattern, FACE))
    return np.searchsorted(np.array(found, np.int64), np.array(faces, np.int64)).astype(np.int64)


def _materials(path: Path, text: str) -> dict[str, Material]:
    materials: dict[str, Material] = {}
    read: set[Path] = set()
    for names in dict.fromkeys(match[1].strip() for match in _LIBRARY.finditer(text)):
        # Several names may follow, and a name may have spaces.
        found = [find_beside(path, name) for name in [names, *names.split()]]
        libraries = [library.resolve() for library in (found[:1] if found[0] else found[1:]) if library]
        if not libraries:
            logger.warning("%s: its materials %s are not there", path, names[:100])
        for library in libraries:
            if library in read:
                continue
            read.add(library)
            try:
                materials.update(_read_library(library))
            except (OSError, ValueError):
                logger.warning("%s: its materials %s cannot be read", path, names[:100])
    return materials


def _read_library(library: Path) -> dict[str, Material]:
    materials: dict[str, Material] = {}
    for block in re.split(r"^[ \t]*newmtl[ \t]+", read_text_file(library), flags=re.MULTILINE)[1:]:
        name, _, body = block.partition("\n")
        values = dict(re.findall(r"^[ \t]*(Kd|map_Kd|map_d)[ \t]+([^\n#]+)", body, re.MULTILINE))
        try:
            color = tuple(min(max(float(value), 0.0), 1.0) for value in values.get("Kd", "1 1 1").split()[:3])
        except ValueError:
            color = _WHITE
        image = _image_name(values.get("map_Kd", ""))
        # Some exporters write black if the color is in a texture.
        if len(color) != 3 or any(map(math.isnan, color)) or (image and not any(color)):
            color = _WHITE
        materials[name.strip()] = Material(color, image, "map_d" in values)
    return materials


def _image_name(value: str) -> str:
    value = value.strip()
    while option := _OPTION.match(value):
        value = value[option.end() :]
    return value


def _textures(path: Path, known: list[Material]) -> tuple[tuple[NDArray[np.uint8], ...], list[int]]:
    """Returns the images, and for each material the number of its image, or -1 if it has none."""
    textures: list[NDArray[np.uint8]] = []
    numbers: dict[tuple[Path | str, bool], int] = {("", False): -1, ("", True): -1}
    keys = []
    for image, cut_out in ((material.image, material.cut_out) for material in known):
        # Materials often share an image, which is decoded once.
        key = (image and (find_beside(path, image, _IMAGE_FOLDERS) or image), cut_out)
        keys.append(key)
        if key in numbers:
            continue
        numbers[key] = -1
        try:
            content = read_image(key[0] if isinstance(key[0], Path) else None)
            textures.append(decode_texture(content, opaque=not cut_out))
            numbers[key] = len(textures) - 1
        except ValueError as error:
            logger.warning("%s: texture %s: %s", path, image[:100], error)
    return tuple(textures), [numbers[key] for key in keys]


def _places(path: Path, text: str, triangles: Triangulation) -> NDArray[np.float32] | None:
    """Returns the (F, 3, 2) texture coordinates of the corners, (0, 0) for corners without any."""
    rows = _PLACE.findall(text)
    if not rows:
        return None
    try:
        table = parse_numbers(path, rows, lambda index: index, columns=(0, 1))
        place_T2 = np.concatenate([np.zeros((1, 2)), table])
        corners = [_place_numbers(line) for line in FACE.findall(text)]
        polygons = parse_polygons(path, corners, [len(line.split()) for line in corners])
    except PointCloudError as error:
        logger.warning("%s; textures are ignored", error)
        return None
    seen = count_before_faces(text, _PLACE)
    numbers = [
        np.where(numbers_Pk < 0, numbers_Pk + 1 + seen[rows_P, None], numbers_Pk)
        for rows_P, numbers_Pk in polygons
    ]
    number_F3 = triangles.of_corners(numbers)
    number_F3 = np.where((number_F3 < 0) | (number_F3 >= len(place_T2)), 0, number_F3)
    uv_F32 = place_T2[number_F3] * (1, -1) + (0, 1)
    return valid_uv(uv_F32)


def _place_numbers(face: str) -> str:
    """Turns "1/2/3 4//5 6" into "2 0 0"."""
    numbers = [corner.split("/")[1] if "/" in corner else "0" for corner in face.split()]
    return " ".join(number or "0" for number in numbers)


def _vertex_colors(path: Path, rows: list[str]) -> NDArray[np.float32] | None:
    """Returns the colors, three numbers, that may follow the position of every vertex."""
    if len(rows[0].split()) < 6:
        return None
    try:
        table = parse_numbers(path, rows, lambda index: index, columns=(3, 4, 5))
    except PointCloudError:
        return None
    return unit_colors(table)
