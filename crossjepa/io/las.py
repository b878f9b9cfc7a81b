"""Reader of las and laz files (airborne and terrestrial lidar), by laspy, the extra `las`.

N points
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.appearance import unit_colors
from crossjepa.io.content import MAX_COMPRESSION, SMALL, read_content
from crossjepa.io.shapes import PointCloud, as_cloud, check_count

_MOST_MEMORY = 4 << 30


def read_las(path: Path, *, color: bool = False) -> PointCloud:
    """Reads the points of a LAS or LAZ file, in float64, with its scale and offset applied.

    Args:
        path: the file.
        color: whether to read colors too.
    """
    if find_spec("laspy") is None:
        raise PointCloudError(path, "LAS and LAZ need laspy: pip install 'crossjepa[las]'")
    content = read_content(path)
    is_packed = _check_header(path, content)
    try:
        xyz_N3, colors_N3 = _decode_apart(content, color) if is_packed else _decode(content, color)
    except MemoryError:
        raise
    except Exception as error:  # laspy raises many types for damaged files
        raise PointCloudError(path, f"not a readable LAS file ({type(error).__name__}: {error})") from error
    return as_cloud(xyz_N3, str(path), colors_N3)


def _decode(content: bytes, color: bool) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    import laspy

    las = laspy.read(io.BytesIO(content))
    return np.asarray(las.xyz, np.float64), _colors(las) if color else None


def _decode_apart(content: bytes, color: bool) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    """Decodes LAZ in a process of its own, since lazrs ends the process that gives it damaged data.

    Raises:
        ValueError: it did.
    """
    command = [sys.executable, "-c", f"from crossjepa.io.las import serve; serve({color})"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, input=content, capture_output=True, env=environment, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"status {done.returncode}"]
        raise ValueError(lines[-1])
    result = io.BytesIO(done.stdout)
    xyz_N3 = np.load(result)
    colors_N3 = np.load(result)
    return xyz_N3, colors_N3 if len(colors_N3) else None


def serve(color: bool) -> None:
    """Decodes LAZ from standard input; writes coordinates and colors to standard output as npy."""
    content = sys.stdin.buffer.read()
    with contextlib.suppress(ImportError, ValueError):  # Windows
        import resource

        limit = _MOST_MEMORY + 4 * MAX_COMPRESSION * len(content)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    xyz_N3, colors_N3 = _decode(content, color)
    np.save(sys.stdout.buffer, xyz_N3)
    np.save(sys.stdout.buffer, np.zeros((0, 3), np.float32) if colors_N3 is None else colors_N3)


def _check_header(path: Path, content: bytes) -> bool:
    """Compares the number of points that the header promises with the size of the file.

    Returns:
        Whether the points are compressed.

    Raises:
        PointCloudError: it is no LAS file, or it is truncated.
    """
    if content[:4] != b"LASF" or len(content) < 227:
        raise PointCloudError(path, "has no LAS header")
    minor = content[25]
    size, start, records, kind, width, count = struct.unpack_from("<HIIBHI", content, 94)
    more = struct.unpack_from("<I", content, 243)[0] if minor >= 4 and len(content) >= 255 else 0
    # laspy would read as many records as the header promises, also beyond the end of the file.
    if not 227 <= size <= start <= len(content) or size + 54 * records > start or 60 * more > len(content):
        raise PointCloudError(path, "damaged: what its header promises does not fit into the file")
    if minor >= 4 and len(content) >= 255:
        (count,) = struct.unpack_from("<Q", content, 247)
    check_count(count, str(path))
    if count == 0:
        raise PointCloudError(path, "no points")
    is_packed = bool(kind & 0xC0)
    held = len(content) - start
    limit = max(SMALL, MAX_COMPRESSION * held) if is_packed else held
    if width < 20 or count * width > limit:
        reason = f"truncated: its header promises {count} points of {width} bytes, {held} follow"
        raise PointCloudError(path, reason)
    if is_packed:
        _check_chunks(path, content, start, count)
    return is_packed


def _check_chunks(path: Path, content: bytes, start: int, count: int) -> None:
    """Compares the table of compressed chunks with the file.

    Raises:
        PointCloudError: the table is not in the file, or has more chunks than there are points.
    """
    place = int.from_bytes(content[start : start + 8], "little", signed=True)
    if place == -1:  # a program that could not go back wrote it at the end
        place = int.from_bytes(content[-8:], "little", signed=True)
    if not start + 8 <= place <= len(content) - 8:
        raise PointCloudError(path, "truncated: its table of chunks is missing")
    (chunks,) = struct.unpack_from("<I", content, place + 4)
    if chunks > count:
        raise PointCloudError(path, f"damaged: {chunks} chunks for {count} points")


def _colors(las: Any) -> NDArray[np.float32] | None:
    if not {"red", "green", "blue"} <= set(las.point_format.dimension_names):
        return None
    colors_N3 = np.stack([np.asarray(las[name]) for name in ("red", "green", "blue")], axis=1)
    # The standard wants 16 bits; many programs write 8.
    return unit_colors(colors_N3.astype(np.uint8) if colors_N3.max(initial=0) < 256 else colors_N3)
