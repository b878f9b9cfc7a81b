"""Formats that are not read are refused with what to do about it, and so is what only looks like a format."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from crossjepa.io.unread import how_to_convert, what_it_is
from tests.helpers.io_shapes import reason_of, write


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ply.gz", b"ply\n", "not a readable gzip file"),
        ("a.xyz.gz", gzip.compress(b"1 2 3\n", mtime=0)[:-9], "truncated"),
        ("bomb.xyz.gz", gzip.compress(bytes(40_000_000), mtime=0), "compressed bytes hold more than"),
        ("a.gz", gzip.compress(b"1 2 3", mtime=0), "unknown format"),
        ("a.xyz", gzip.compress(b"1 2 3", mtime=0), "is a gzip file; add .gz"),
        ("a.obj", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("a.ply", b"<!DOCTYPE html>\n<html>", "is a web page"),
        ("a.stl", b"PK\x03\x04" + bytes(50), "is a zip archive"),
        ("a.fbx", b"Kaydara", r"`assimp export a.fbx a.obj`"),
        ("a.STEP", b"ISO", "`gmsh a.STEP -2 -o a.stl`"),
        ("a.usdz", b"PK", "wm.usd_import(filepath='a.usdz')"),
        ("a.e57", b"ASTM", "`pdal translate a.e57 a.ply`"),
        ("a.blend", b"BLENDER", "`blender -b a.blend"),
        ("a.3ds", b"MM", "assimp export"),
        ("a.dae", b"<?xml", "assimp export a.dae a.obj"),
        ("a.vtp", b"<VTK", "pyvista.read('a.vtp')"),
        ("a.drc", b"DRACO", "draco_decoder -i a.drc -o a.ply"),
        ("a.bin", bytes(16), "numpy.fromfile"),
        ("a.pt", bytes(16), "torch.load"),
        ("a.h5", bytes(16), "h5py"),
        ("a.zip", b"PK", "unpack it first"),
        ("a.ply.xz", b"PK", "unpack it first"),
    ],
)
def test_what_is_not_read_and_what_to_do_about_it(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    assert words in reason_of(write(tmp_path, name, content))


def test_formats_that_are_read_or_unknown_need_nothing(tmp_path: Path) -> None:
    for name in ("a.ply", "a.unknown", "a"):
        assert how_to_convert(Path(name)) == ""
        assert not how_to_convert(Path(name))
    assert how_to_convert(Path("a.FBX"))
    assert what_it_is(write(tmp_path, "a.xyz", "1 2 3")) == ""
    assert what_it_is(write(tmp_path, "a.npz", b"PK\x03\x04")) == ""
