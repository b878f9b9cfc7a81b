"""Which axis points up in files of a format, as far as its specification or common use says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple

from crossjepa.io.content import format_suffix


class UpAxis(NamedTuple):
    """What is known of the axis that points up.

    Attributes:
        axis: "y" or "z", None if files of the format differ.
        reason: why.
    """

    axis: Literal["y", "z"] | None
    reason: str


_SCANS = UpAxis("z", "scanners and maps have z up")
_OPEN = UpAxis(None, "files of this format differ")
CONVENTIONS = {
    ".gltf": UpAxis("y", "the specification of glTF says so"),
    ".glb": UpAxis("y", "the specification of glTF says so"),
    ".obj": UpAxis("y", "most programs that write OBJ have y up, Blender included; CAD programs have z up"),
    ".off": UpAxis(None, "ModelNet's files have z up, ShapeNet's and others y up"),
    ".stl": UpAxis("z", "CAD and 3D printing have z up"),
    ".las": _SCANS,
    ".laz": _SCANS,
    ".ptx": _SCANS,
    ".pts": _SCANS,
    ".pcd": UpAxis(None, "robots have z up, cameras have y down"),
    ".ply": UpAxis(None, "scanners have z up, many modeling programs y up"),
}


def usual_up_axis(path: str | os.PathLike[str]) -> UpAxis:
    """Returns which axis usually points up in files of a format.

    Args:
        path: the file, whose suffix counts; it need not exist.

    Example:
        >>> usual_up_axis("part.stl").axis, usual_up_axis("cloud.npy").axis
        ('z', None)
    """
    return CONVENTIONS.get(format_suffix(Path(path)), _OPEN)
