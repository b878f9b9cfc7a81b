"""Which columns of a table are the coordinates, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Words for an axis itself, as surveyors have them; letters count only all together.
_AXIS_WORDS = {
    **dict.fromkeys(("easting", "eastings", "east", "rechtswert", "ostwert", "este", "est"), 0),
    **dict.fromkeys(("northing", "northings", "north", "hochwert", "nordwert", "norte", "nord"), 1),
    **dict.fromkeys(("elevation", "elev", "height", "altitude", "alt", "up", "höhe", "hoehe", "level"), 2),
}
_AXIS_LETTERS = {"e": 0, "n": 1, "z": 2, "h": 2, "u": 2}
# Words for what a position is, the usual ones first.
_POSITION = (
    "xyz", "point", "points", "pt", "pts", "pnt", "position", "positions", "pos", "coord", "coords",
    "coordinate", "coordinates", "coor", "koordinate", "p", "location", "loc", "vertex", "vertices", "vert",
    "node", "nodes", "cartesian", "cart", "world", "global", "map", "utm", "scene", "local", "lidar", "c",
    "scan", "cloud", "axis",
)  # fmt: skip
_UNITS = {
    "m", "mm", "cm", "km", "um", "µm", "μm", "ft", "in", "inch", "feet", "meter", "meters", "metre",
    "metres",
}  # fmt: skip
# Words for what else has three components, or is measured along an axis.
_OTHER = {
    "normal", "normals", "norm", "n", "velocity", "vel", "v", "speed", "acceleration", "acc", "accel", "a",
    "rotation", "rot", "orientation", "quaternion", "quat", "q", "direction", "dir", "scale", "color",
    "colour", "rgb", "std", "sigma", "stddev", "error", "err", "cov", "var", "accuracy", "origin", "camera",
    "cam", "gyro", "mag", "force", "moment", "tangent", "uv", "tex", "texcoord", "min", "max", "size",
    "dim", "extent", "offset", "gradient", "angular", "linear", "twist", "ray", "beam", "curvature",
    "displacement", "flow", "delta", "d", "angle", "deg", "rad", "degrees", "pixel", "bbox", "box", "mean",
    "diff", "residual", "bearing", "index", "id", "idx", "count", "num", "vector", "vec", "stress",
    "strain", "eigen", "principal", "reference", "sensor", "station", "vertical", "horizontal",
}  # fmt: skip
_DEGREES = {"lat", "latitude", "lon", "long", "lng", "longitude"}
# Names of columns beside coordinates, which tell that a comment is a header.
_BESIDE = {
    "x", "y", "z", "time", "t", "timestamp", "gpstime", "frame", "intensity", "i", "r", "g", "b", "red",
    "green", "blue", "alpha", "rgb", "nx", "ny", "nz", "label", "class", "classification", "id", "index",
    "ring", "range", "azimuth", "reflectance", "reflectivity", "curvature", "lfid", "shotnumber", "return",
    "scalar", "segment", *_DEGREES, *_AXIS_WORDS,
}  # fmt: skip
_LONGEST, _MOST = 80, 1000
_BRACKETS = re.compile(r"[\[({<][^\])}>]*[\])}>]")
_NUMBERED = re.compile(r"(.+?)[ _\-:.]*[\[(]?([0-3])[\])]?")
_GLUED = re.compile(r"(?P<a>[a-z]+?)(?P<b>[xyz])|(?P<c>[xyz])(?P<d>[a-z]+)")
_WORD_STARTS = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<=[XYZ])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[\u2e80-\ud7ff])|(?<=[\u2e80-\ud7ff])(?=[A-Za-z])"
)
_WORDS = re.compile(r"[^\W\d_]+|\d+")


def find_columns(names: Sequence[str]) -> list[int]:
    """Returns which columns are x, y and z.

    Plain names (x, y, z in any case) come first; then names with units, prefixes and suffixes ("X [m]",
    "pos_x", "x_coord") and numbered components ("Points:0"); then Easting, Northing and Elevation.

    Args:
        names: names of the columns.

    Raises:
        ValueError: none or several of them can be the coordinates; the message shows the names.
    """
    plain = [name.strip(" \t\"'")[:_LONGEST] for name in names[:_MOST]]
    for axes in ("xyz", "XYZ"):
        if all(plain.count(axis) == 1 for axis in axes):
            return [plain.index(axis) for axis in axes]
    triples: dict[tuple[int, str], list[list[int]]] = {}
    for column, name in enumerate(plain):
        for rank, stem, axis in (*_lettered(name), *_numbered(name)):
            triples.setdefault((rank, stem), [[], [], [], []])[axis].append(column)
    # Components are numbered from 0 or from 1.
    found = {key: axes[int(bool(axes[3]) and not axes[0]) :][:3] for key, axes in triples.items()}
    found = {key: axes for key, axes in found.items() if all(axes)}
    best = [axes for key, axes in found.items() if key[0] == min(rank for rank, _ in found)]
    best = best or _surveyed(plain)
    shown = f"its columns are {', '.join(map(repr, plain))}"[:300]
    if not best:
        degrees = _DEGREES & {word for name in plain for word in _words(name)}
        hint = "; longitude and latitude are angles: project them first" if degrees else ""
        raise ValueError(f"{shown}; name the coordinates x, y and z{hint}")
    if len(best) > 1 or any(len(columns) > 1 for columns in best[0]):
        raise ValueError(f"{shown}; several of them can be the coordinates: name only those x, y and z")
    return [columns[0] for columns in best[0]]


def is_header(names: Sequence[str]) -> bool:
    """Whether the words of a comment are probably names of columns: one of them is a usual one."""
    return any(_words(name) and set(_words(name)) <= _BESIDE for name in names)


def _lettered(name: str) -> Iterable[tuple[int, str, int]]:
    """Yields rank, stem and axis of a name such as "X [m]", "pos_x" or "xcoord"."""
    words = _words(_BRACKETS.sub(" ", name))
    glued = _GLUED.fullmatch(words[0]) if len(words) == 1 else None
    if glued and words[0] not in _AXIS_WORDS:
        stem, letter = glued["a"] or glued["d"], glued["b"] or glued["c"]
        if stem in _POSITION:
            yield _rank([stem]) or 0, stem, "xyz".index(letter)
    letters = [word for word in words if word in ("x", "y", "z")]
    if len(letters) == 1:
        stem = [word for word in words if word != letters[0] and word not in _UNITS]
        stem = [word for word in stem if _AXIS_WORDS.get(word) != "xyz".index(letters[0])]
        rank = _rank(stem)
        if rank is not None:
            yield rank, " ".join(stem), "xyz".index(letters[0])


def _numbered(name: str) -> Iterable[tuple[int, str, int]]:
    """Yields rank, stem and number of a name such as "Points:0"."""
    numbered = _NUMBERED.fullmatch(name.strip())
    if numbered:
        stem = _words(numbered[1])
        rank = _rank(stem)
        if rank is not None and set(stem) & set(_POSITION):
            yield rank, " ".join(stem), int(numbered[2])


def _surveyed(names: Sequence[str]) -> list[list[list[int]]]:
    """Returns the columns of each axis if words for axes complete the letters, such as X, Y and Elevation."""
    letters: list[list[int]] = [[], [], []]
    worded: list[list[int]] = [[], [], []]
    single: list[list[int]] = [[], [], []]
    for column, name in enumerate(names):
        words = _words(_BRACKETS.sub(" ", name))
        for _, _, axis in _lettered(name):
            letters[axis].append(column)
        known = {_AXIS_WORDS[word] for word in words if word in _AXIS_WORDS}
        if len(known) == 1 and not set(words) & (_OTHER | _DEGREES):
            worded[known.pop()].append(column)
        if len(words) == 1 and words[0] in _AXIS_LETTERS:
            single[_AXIS_LETTERS[words[0]]].append(column)
    mixed = [first or second for first, second in zip(letters, worded, strict=True)]
    return [axes for axes in (mixed, single) if all(axes)][:1]


def _rank(stem: Sequence[str]) -> int | None:
    """Returns how usual words beside an axis are for positions, 0 for none; None if they are for others."""
    words = [word for word in stem if word not in _UNITS]
    if set(words) & (_OTHER | _DEGREES) or words == ["field"]:  # but ROS has "field.point.x"
        return None
    ranks = [_POSITION.index(word) + 1 for word in words if word in _POSITION]
    return min(ranks) if ranks else len(_POSITION) + 1 if words else 0


def _words(name: str) -> list[str]:
    """Splits a name into lower-case words: "Points_m_XYZ:0", "posX" and "X-Coord" alike."""
    split = _WORD_STARTS.sub(" ", name)
    return [word.lower() for word in _WORDS.findall(split)]
