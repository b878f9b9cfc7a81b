"""The bytes of files, packed or not; gzip files of all formats are in test_read.py."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from crossjepa import PointCloudError
from crossjepa.io.content import format_suffix, read_content


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.PLY", ".ply"), ("a.ply.gz", ".ply"), ("a.b.OBJ.GZ", ".obj"), ("a.gz", ""), ("a", "")],
)
def test_suffixes(name: str, suffix: str) -> None:
    assert format_suffix(Path("folder.xyz") / name) == suffix


def test_gzip_files_are_unpacked_within_limits(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz.gz"
    content = bytes(range(256)) * 100
    path.write_bytes(
        gzip.compress(content[:9000], mtime=0) + gzip.compress(content[9000:], mtime=0) + bytes(20)
    )
    assert read_content(path) == content
    path.write_bytes(gzip.compress(bytes(1 << 25), mtime=0))
    with pytest.raises(PointCloudError, match="compressed bytes hold more than 16777216"):
        read_content(path)
    path.write_bytes(gzip.compress(content, mtime=0)[:-8])
    with pytest.raises(PointCloudError, match="truncated"):
        read_content(path)
    path.rename(tmp_path / "a.xyz")
    assert read_content(tmp_path / "a.xyz")[:2] == b"\x1f\x8b"
