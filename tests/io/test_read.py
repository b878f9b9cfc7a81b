"""What holds for all formats: the entry, the error, and no memory for what a header only claims."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from crossjepa.io import READABLE_SUFFIXES, PointCloudError, find_files, read
from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import FACES, VERTICES, read_cloud, reason_of, write
from tests.io.test_fuzz import FILES


def test_refused_paths(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "no.ply") == "no such file"
    assert reason_of(tmp_path) == "is a folder"
    (tmp_path / "folder.ply").mkdir()
    assert reason_of(tmp_path / "folder.ply") == "is a folder"
    reason = reason_of(write(tmp_path, "a.unknown", b"1 2 3"))
    assert all(suffix in reason for suffix in READABLE_SUFFIXES)
    assert "unknown format" in reason_of(write(tmp_path, "none", b"1 2 3"))
    assert reason_of(Path("nul\0.ply")) == "no such file"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ply")
    assert reason_of(tmp_path / "pipe.ply") == "is not a regular file"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root and Windows may read it")
def test_unreadable(tmp_path: Path) -> None:
    path = write(tmp_path, "a.xyz", b"1 2 3")
    path.chmod(0)
    assert "cannot be read" in reason_of(path)


@pytest.mark.parametrize("suffix", READABLE_SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"\0", b"\n", b"\xff" * 300, b"\0" * 300, b"hello\n"])
def test_nothing_in_it(tmp_path: Path, suffix: str, content: bytes) -> None:
    reason = reason_of(write(tmp_path, f"a{suffix}", content))
    assert ("is empty" in reason) == (not content)


def test_text_paths(tmp_path: Path) -> None:
    assert read(str(write(tmp_path, "a.xyz", b"1 2 3"))) is not None
    with pytest.raises(PointCloudError, match="no such file") as caught:
        read("missing.xyz")
    assert caught.value.source == "missing.xyz"


def test_gzip_of_every_format(tmp_path: Path) -> None:
    # The files beside them are found by their own names.
    plain_files = {name: content for name, content in FILES.items() if not name.endswith(".gz")}
    for name, content in plain_files.items():
        plain = read(write(tmp_path, name, content))
        packed = read(write(tmp_path, f"{name}.GZ", gzip.compress(content, mtime=0)))
        assert type(packed) is type(plain)
        for key, value in vars(plain).items():
            np.testing.assert_array_equal(getattr(packed, key), value)
    assert set(find_files(tmp_path)) == {
        tmp_path / name for each in plain_files for name in (each, f"{each}.GZ")
    }
    two_members = gzip.compress(b"1 2 3\n", mtime=0) + gzip.compress(b"4 5 6\n", mtime=0)
    assert read_cloud(write(tmp_path, "two.xyz.gz", two_members)).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_names_that_the_system_refuses(tmp_path: Path) -> None:
    assert reason_of(tmp_path / ("x" * 300 + ".ply"))


def test_find_files(tmp_path: Path) -> None:
    (tmp_path / "b" / ".hidden").mkdir(parents=True)
    (tmp_path / "folder.ply").mkdir()
    names = ["b/z.PLY", "a.npy", "b/.x.ply", "b/.hidden/a.ply", "b/a.jpg", "folder.ply/c.obj", "plain"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    expected = [tmp_path / name for name in ("a.npy", "b/z.PLY", "folder.ply/c.obj")]
    assert find_files(tmp_path) == find_files(str(tmp_path)) == expected
    assert find_files(tmp_path / "b" / ".hidden") == [tmp_path / "b" / ".hidden" / "a.ply"]
    assert find_files(tmp_path / "none") == []


def npy_claiming(shape: str) -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}"
    head = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head


def zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        content = npy_claiming("(1250000, 30)")
        with archive.open("points.npy", "w", force_zip64=True) as member:
            member.write(content)
            for _ in range(300):
                member.write(bytes(1_000_000))
    return file.getvalue()


def gltf_claiming() -> bytes:
    tree, buffer = writers.gltf_tree(VERTICES, FACES)
    tree["accessors"][0]["count"] = tree["buffers"][0]["byteLength"] = 50_000_000
    del tree["accessors"][0]["bufferView"]
    return writers.glb(tree, buffer)


def absurd_claims() -> dict[str, bytes]:
    """Small files that promise more than the memory of the test below holds."""
    axes = "".join(f"property double {axis}\n" for axis in "xyz")
    ply = "ply\nformat {} 1.0\nelement vertex {}\n" + axes + "end_header\n"
    pcd = writers.pcd(writers.xyz_columns(VERTICES), "binary", POINTS="{}")
    return {
        "more.ply": ply.format("binary_little_endian", 4_000_000_000).encode(),
        "many.ply": ply.format("binary_little_endian", 19_000_000).encode(),
        "ascii.ply": ply.format("ascii", 19_000_000).encode(),
        "a.stl": bytes(80) + struct.pack("<I", 4_000_000_000) + bytes(50),
        "more.npy": npy_claiming("(4000000000, 3)"),
        "many.npy": npy_claiming("(19000000, 60)"),
        "bomb.npz": zip_bomb(),
        "more.pcd": pcd.replace(b"{}", b"1000000000000"),
        "many.pcd": pcd.replace(b"{}", b"19000000"),
        "a.glb": gltf_claiming(),
        "more.off": b"OFF\n4000000000 1 0\n0 0 0\n",
        "many.off": b"OFF\n19000000 19000000 0\n0 0 0\n",
        "corners.off": b"OFF\n1 1 0\n0 0 0\n999999999 0 0 0\n",
        "a.obj": b"v 0 0 0\nf 1 1 4000000000\n",
        "a.pts": b"4000000000\n1 2 3\n",
    }


LIMITED = """
import resource, sys, warnings
from pathlib import Path
from crossjepa.io import PointCloudError, find_files, read
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000, used + 150_000_000))
warnings.simplefilter("ignore")
for path in find_files(sys.argv[1]):
    try:
        read(path)
        print(path.name, "was read")
    except PointCloudError as error:
        if "memory" in error.reason:
            print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory as Linux does")
def test_absurd_claims_cost_no_memory(tmp_path: Path) -> None:
    claims = absurd_claims()
    for name, content in claims.items():
        write(tmp_path, name, content)
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, timeout=900, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_more_points_than_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossjepa.io.shapes.MAX_POINTS", 3)
    assert "4 points; from 0 to 3" in reason_of(write(tmp_path, "a.xyz", writers.rows(VERTICES)))
    assert "4 rows" in reason_of(write(tmp_path, "a.npy", writers.npy(VERTICES)))
    assert "4 of element vertex" in reason_of(
        write(tmp_path, "a.ply", writers.ply(VERTICES, np.array(FACES)))
    )
