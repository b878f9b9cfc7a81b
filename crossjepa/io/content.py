"""The bytes of files, unpacked if they are gzip files."""

from __future__ import annotations

import zlib
from pathlib import Path

from crossjepa.errors import PointCloudError

# Measured coordinates compress by a small factor; zeros, which bombs consist of, by about a thousand.
MAX_COMPRESSION, SMALL = 100, 1 << 24


def format_suffix(path: Path) -> str:
    """Returns the suffix that says how to read a file, in lower case: ".ply" for "a.PLY" and "a.ply.gz"."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix == ".gz" else suffix


def read_content(path: Path) -> bytes:
    """Reads a file, and unpacks it if it ends in .gz.

    Raises:
        PointCloudError: it is no complete gzip file, or claims to unpack to more than measured numbers do.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    if path.suffix.lower() != ".gz":
        return content
    limit, unpacked = max(SMALL, MAX_COMPRESSION * len(content)), bytearray()
    try:
        while content:
            packer = zlib.decompressobj(wbits=31)
            unpacked += packer.decompress(content, limit + 1 - len(unpacked))
            if len(unpacked) > limit:
                raise PointCloudError(path, f"{path.stat().st_size} compressed bytes hold more than {limit}")
            if not packer.eof:
                raise PointCloudError(path, "truncated: its gzip data are not complete")
            content = packer.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise PointCloudError(path, f"not a readable gzip file ({error})") from error
    return bytes(unpacked)
