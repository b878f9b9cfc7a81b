"""pcd: ascii, binary and binary_compressed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudWarning
from crossjepa.io import PointCloud, read
from crossjepa.io.pcd import lzf_decompress
from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import VERTICES, read_cloud, reason_of, write

KINDS = ["ascii", "binary", "binary_compressed"]
X, Y, Z = writers.xyz_columns(VERTICES, "F4")
EXTRA = np.arange(12).reshape(4, 3)


def pcd(data: str = "ascii", **header: str) -> bytes:
    return writers.pcd([X, Y, Z], data, True, **header)


@pytest.mark.parametrize("data", KINDS)
@pytest.mark.parametrize("kind", ["F4", "F8"])
def test_points(tmp_path: Path, data: str, kind: str) -> None:
    content = writers.pcd(writers.xyz_columns(VERTICES, kind), data)
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.pcd", content)), VERTICES)


@pytest.mark.parametrize("data", KINDS)
def test_order_padding_and_counts(tmp_path: Path, data: str) -> None:
    columns = [
        ("histogram", "F4", EXTRA), Z, ("_", "U1", EXTRA), X, ("rgb", "U4", EXTRA[:, 0]),
        ("_", "U1", EXTRA[:, :1]), ("label", "I2", EXTRA[:, 0]), Y, ("_", "U1", EXTRA),
    ]  # fmt: skip
    content = writers.pcd(columns, data)
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.pcd", content)), VERTICES)


@pytest.mark.parametrize("data", KINDS)
def test_header_forms(tmp_path: Path, data: str) -> None:
    for number, header in enumerate(
        [{"POINTS": ""}, {"POINTS": "", "WIDTH": "2", "HEIGHT": "2"}, {"VIEWPOINT": ""}, {"VERSION": ".7"}]
    ):
        content = writers.pcd([X, Y, Z], data, bool(number % 2), **header)
        np.testing.assert_array_equal(read_cloud(write(tmp_path, f"{number}.pcd", content)), VERTICES)


def test_whole_numbers_and_line_ends(tmp_path: Path) -> None:
    columns = writers.xyz_columns(np.arange(12).reshape(4, 3), "I4")
    for data in KINDS:
        np.testing.assert_array_equal(
            read_cloud(write(tmp_path, "a.pcd", writers.pcd(columns, data))), np.arange(12).reshape(4, 3)
        )
    np.testing.assert_array_equal(
        read_cloud(write(tmp_path, "b.PCD", pcd().replace(b"\n", b"\r\n") + b"\r\n")), VERTICES
    )


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"a",
        b"ab" * 400,
        bytes(5000),
        bytes(range(256)) * 3,
        np.random.default_rng(0).integers(0, 3, 20_000, np.uint8).tobytes(),
        np.random.default_rng(0).bytes(9000) * 2,
    ],
)
def test_lzf_round_trip(plain: bytes) -> None:
    assert lzf_decompress(Path("a.pcd"), writers.lzf_compress(plain), len(plain)) == plain


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        (b"\x02abc", b"abc"),
        (b"\x00a\x20\x00", b"aaaa"),
        (b"\x01ab\xe0\x05\x01", b"ab" + b"ab" * 7),
        (b"\x02abc\x40\x02\x00d", b"abcabcad"),
    ],
)
def test_lzf_by_hand(packed: bytes, plain: bytes) -> None:
    assert lzf_decompress(Path("a.pcd"), packed, len(plain)) == plain


def compressed(packed: bytes, packed_size: int, size: int) -> bytes:
    head = pcd("binary_compressed")
    head = head[: head.index(b"binary_compressed\n") + 18]
    return head + struct.pack("<II", packed_size, size) + packed


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"VERSION 0.7\n", "no PCD header"),
        (pcd(FIELDS=""), "no FIELDS"),
        (pcd(TYPE=""), "no TYPE"),
        (pcd("ascii").replace(b"DATA ascii", b"DATA"), "no DATA"),
        (pcd("ascii").replace(b"DATA ascii", b"DATA zipped"), "'zipped' is not"),
        (pcd(FIELDS="x y w"), "no fields x, y and z, only x y w"),
        (pcd(FIELDS="x x z"), "no fields x, y and z, only x x z"),
        (pcd(SIZE="4 4"), "not understood"),
        (pcd(SIZE="4 4 3"), "not understood"),
        (pcd(SIZE="4 4 -4"), "not understood"),
        (pcd(TYPE="F F Q"), "not understood"),
        (pcd(COUNT="1 1 -1"), "not understood"),
        (pcd(COUNT="1 1 2"), "no fields x, y and z"),
        (pcd(COUNT="1 1 99999999"), "not understood"),
        (pcd(POINTS="many"), "not understood"),
        (pcd(POINTS="-4"), "-4 points"),
        (pcd(POINTS="", WIDTH="-2", HEIGHT="-2"), "promises 0 points"),
        (pcd(POINTS="1000000000000"), "1000000000000 points"),
        (pcd(POINTS="5"), "promises 5 points, but 4 lines"),
        (pcd("binary", POINTS="5"), "5 points need 60 bytes, only 48"),
        (pcd("binary", POINTS="0"), "no points"),
        (pcd("binary")[:-1], "only 47"),
        (pcd("ascii").replace(b"2.0", b"two"), "line 14"),
        (pcd("ascii").replace(b" 3.0", b""), "line 15"),
        (pcd("binary_compressed")[:-1], "compressed bytes"),
        (compressed(b"", 0, 48)[:-5], "ends before"),
        (compressed(b"", 0, 4_000_000_000), "4 points need 48 bytes, the compressed data promise 4000000000"),
        (compressed(b"", 0, 48), "give 0 bytes instead of 48"),
        (compressed(b"\x05a", 2, 48), "instead of 48"),
        (compressed(b"\x20\x00", 2, 48), "damaged"),
        (compressed(b"\x00a\xe0", 3, 48), "damaged"),
        (compressed(b"\x00a\xe0\xff", 4, 48), "damaged"),
        (compressed(b"\x00a" + b"\xe0\xff\x00" * 99, 299, 48), "damaged"),
    ],
)
def test_refusals(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.pcd", content))


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
def test_pixels_without_depth_of_an_organized_cloud(tmp_path: Path, data: str) -> None:
    pixels_N3 = np.full((6, 3), np.nan)
    pixels_N3[[0, 2, 3, 5]] = VERTICES
    content = writers.pcd(writers.xyz_columns(pixels_N3, "F4"), data, WIDTH="3", HEIGHT="2")
    path = write(tmp_path, "a.pcd", content)
    with pytest.warns(PointCloudWarning, match="2 of 6 points are not finite"):
        cloud = read(path)
    assert isinstance(cloud, PointCloud)
    np.testing.assert_array_equal(cloud.points_N3, VERTICES)
    assert cloud.valid_M is not None
    assert np.flatnonzero(cloud.valid_M).tolist() == [0, 2, 3, 5]


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"TYPE F F F", b"TYPE f f f"),
        (b"FIELDS x y z", b"FIELDS X Y Z"),
        (b"FIELDS x y z", b"COLUMNS x y z"),
        (b"FIELDS", b"# Gr\xf6\xdfe \x85 \xd7\xf9\nFIELDS"),
        (b"# .PCD", b"\xef\xbb\xbf# .PCD"),
        (b"VERSION 0.7", b"VERSION .7"),
    ],
)
def test_dialects(tmp_path: Path, data: str, old: bytes, new: bytes) -> None:
    content = writers.pcd(writers.xyz_columns(VERTICES), data)
    assert old in content
    np.testing.assert_array_equal(
        read_cloud(write(tmp_path, "a.pcd", content.replace(old, new, 1))), VERTICES
    )


def test_ascii_pcd_in_utf_16(tmp_path: Path) -> None:
    content = writers.pcd(writers.xyz_columns(VERTICES)).decode().encode("utf-16")
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.pcd", content)), VERTICES)
