"""las and laz, written by laspy, and by hand where it is missing or the file is damaged."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.io import PointCloud, read
from tests.helpers.io_shapes import VERTICES, read_cloud, reason_of, write
from tests.io.test_fuzz import FUZZ


def las_by_hand(points_N3: np.ndarray = VERTICES) -> bytes:
    """Version 1.2, point format 0, in millimeters around (448000, 5411000, 100)."""
    offset, count = (448000.0, 5411000.0, 100.0), len(points_N3)
    head = b"LASF" + bytes(20) + b"\x01\x02" + bytes(68) + struct.pack("<HIIBHI", 227, 227, 0, 0, 20, count)
    head += bytes(20) + struct.pack("<6d", 0.001, 0.001, 0.001, *offset)
    head += struct.pack(
        "<6d", *(edge for axis in range(3) for edge in (points_N3[:, axis].max(), points_N3[:, axis].min()))
    )
    body = b"".join(struct.pack("<3i8x", *row) for row in np.rint(points_N3 * 1000).astype(int).tolist())
    return head + body


OFFSET = np.array([448000.0, 5411000.0, 100.0])


def test_header() -> None:
    assert len(las_by_hand()) == 227 + 20 * len(VERTICES)


def test_points_keep_the_digits_of_a_survey(tmp_path: Path) -> None:
    pytest.importorskip("laspy")
    np.testing.assert_allclose(
        read_cloud(write(tmp_path, "a.las", las_by_hand())) - OFFSET, VERTICES, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("suffix", [".las", ".laz"])
@pytest.mark.parametrize(("kind", "version"), [(0, "1.2"), (3, "1.2"), (7, "1.4")])
def test_files_of_laspy(tmp_path: Path, suffix: str, kind: int, version: str) -> None:
    laspy = pytest.importorskip("laspy")
    header = laspy.LasHeader(point_format=kind, version=version)
    header.scales, header.offsets = [0.001] * 3, OFFSET
    las = laspy.LasData(header)
    las.x, las.y, las.z = (VERTICES + OFFSET).T
    if kind:
        las.red, las.green, las.blue = np.array([[0, 65535, 0, 65535]] * 3, np.uint16)
    las.write(tmp_path / f"a{suffix}")
    cloud = read(tmp_path / f"a{suffix}", color=True)
    assert isinstance(cloud, PointCloud)
    np.testing.assert_allclose(cloud.points_N3 - OFFSET, VERTICES, rtol=0, atol=1e-6)
    assert (cloud.colors_N3 is None) == (kind == 0)
    if cloud.colors_N3 is not None:
        assert cloud.colors_N3[:, 0].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"LASX" + bytes(300), "has no LAS header"),
        (las_by_hand()[:200], "has no LAS header"),
        (las_by_hand()[:100] + b"\xff" * 4 + las_by_hand()[104:], "damaged: what its header promises"),
        (las_by_hand()[:-1], "truncated: its header promises 4 points of 20 bytes, 79 follow"),
        (las_by_hand()[:107] + b"\xff" * 4 + las_by_hand()[111:], "4294967295 points"),
        (las_by_hand(VERTICES[:1])[:107] + bytes(4) + bytes(116), "no points"),
    ],
)
def test_refusals(tmp_path: Path, content: bytes, words: str) -> None:
    pytest.importorskip("laspy")
    assert words in reason_of(write(tmp_path, "a.las", content))


@pytest.mark.slow
def test_damaged_laz(tmp_path: Path) -> None:
    laspy = pytest.importorskip("laspy")
    las = laspy.LasData(laspy.LasHeader(point_format=0, version="1.2"))
    las.x, las.y, las.z = np.random.default_rng(0).random((3, 500))
    las.write(tmp_path / "a.laz")
    content = (tmp_path / "a.laz").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(FUZZ // 5):
        damaged = bytearray(content)
        for place in rng.integers(len(content), size=3):
            damaged[place] = rng.integers(256)
        write(tmp_path, "b.laz", bytes(damaged))
        try:
            read(tmp_path / "b.laz")
        except PointCloudError as error:
            assert "unexpected" not in error.reason
    # A chunk that claims to be larger than memory, of which lazrs would die.
    start = int.from_bytes(content[96:100], "little")
    chunk_table = int.from_bytes(content[start : start + 8], "little")
    damaged = bytearray(content)
    damaged[chunk_table + 8 :] = rng.integers(0, 256, len(content) - chunk_table - 8, np.uint8).tobytes()
    with contextlib.suppress(PointCloudError):
        read(write(tmp_path, "b.laz", bytes(damaged)))


def test_laspy_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossjepa.io.las.find_spec", lambda name: None)
    assert "pip install 'crossjepa[las]'" in reason_of(write(tmp_path, "a.las", las_by_hand()))
