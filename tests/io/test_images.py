"""Images that mesh files name: only regular files near them, of a few formats, of a bounded size."""

from __future__ import annotations

import io
import logging
import os
import struct
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossjepa.io import images
from crossjepa.io.images import FORMATS, decode_texture, find_beside, read_image
from crossjepa.io.text import read_text_file
from tests.helpers.colors import colored, look, vertices_text, write_image
from tests.helpers.io_shapes import write


def content(form: str, mode: str = "RGB", size: int = 4) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (size, size), 90).save(file, form)
    return file.getvalue()


def textured(folder: Path, image: str, materials: int = 1) -> Path:
    """An OBJ each of whose faces has a material of its own that names the image."""
    library = "".join(f"newmtl m{n}\nKd 1 0 0.5\nmap_Kd {image}\n" for n in range(materials))
    write(folder, "a.mtl", library)
    faces = "".join(f"usemtl m{n}\nf 1/1 2/1 3/1\n" for n in range(materials))
    return write(folder, "a.obj", f"mtllib a.mtl\n{vertices_text()}vt 0 0\n{faces}")


def png_of(width: int, height: int) -> bytes:
    """A PNG of black pixels, a thousand times smaller than its pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", FORMATS)
def test_formats_that_are_decoded(form: str) -> None:
    texels_HW4 = decode_texture(content(form), opaque=True)
    assert texels_HW4.shape == (4, 4, 4)
    assert texels_HW4[0, 0, 3] == 255


@pytest.mark.parametrize("form", ["EPS", "DDS", "TIFF", "ICO", "PCX", "SGI", "IM", "PDF", "AVIF", "JPEG2000"])
def test_formats_that_are_not_decoded(form: str) -> None:
    Image.init()
    if form not in Image.SAVE:
        pytest.skip(f"this Pillow cannot write {form}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are deprecated
        image = content(form)
    with pytest.raises(ValueError, match="no readable image"):
        decode_texture(image, opaque=True)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_postscript_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "tex.png").write_bytes(content("EPS"))
    colored(textured(tmp_path, "tex.png"))
    assert not (tmp_path / "started").exists()


def test_opacity_is_kept_unless_it_means_nothing(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", (10, 20, 30, 40))
    image = (tmp_path / "a.png").read_bytes()
    assert decode_texture(image, opaque=False)[0, 0].tolist() == [10, 20, 30, 40]
    assert decode_texture(image, opaque=True)[0, 0].tolist() == [10, 20, 30, 255]


@pytest.mark.parametrize("damage", [b"", b"GIF89a", content("PNG")[:50], content("JPEG")[:80], bytes(100)])
def test_damaged_images(damage: bytes) -> None:
    with pytest.raises(ValueError, match="no readable image"):
        decode_texture(damage, opaque=True)


def test_pixels_are_counted_before_they_are_decoded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="8193 x 8192 pixels"):
        decode_texture(png_of(8193, 8192), opaque=True)
    (tmp_path / "bomb.png").write_bytes(png_of(30_000, 30_000)[:2000])
    shape = colored(textured(tmp_path, "bomb.png"))
    assert shape.appearance is not None
    assert shape.appearance.textures == ()
    assert "texture bomb.png: no readable image (DecompressionBombError" in caplog.text


def test_large_files_are_no_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_MAX_BYTES", 10)
    with pytest.raises(ValueError, match="more than"):
        read_image(write(tmp_path, "a.png", bytes(11)))
    assert read_image(write(tmp_path, "a.png", bytes(10))) == bytes(10)
    with pytest.raises(ValueError, match="no such file"):
        read_image(None)
    with pytest.raises(ValueError, match="cannot be read"):
        read_image(tmp_path)


def test_materials_that_share_an_image_decode_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_image(tmp_path / "a.png", (1, 2, 3))
    opened: list[object] = []
    original = Image.open

    def counted(*arguments: Any, **options: Any) -> Image.Image:
        opened.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(Image, "open", counted)
    appearance = look(textured(tmp_path, "a.png", materials=20))
    assert len(opened) == len(appearance.textures) == 1
    assert appearance.texture_F.tolist() == [0] * 20
    (tmp_path / "a.png").write_bytes(b"damaged")
    opened.clear()
    with caplog.at_level(logging.WARNING):
        assert look(textured(tmp_path, "a.png", materials=20)).textures == ()
    assert len(opened) == len(caplog.records) == 1


@pytest.mark.parametrize(
    "name",
    ["x" * 300 + ".png", "a\0b.png", "x/" * 3000 + "a.png", ".", "..", "/", "\\", "http://x/y.png", "//["],
)
def test_names_that_lead_nowhere_cost_no_shape(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    shape = colored(textured(tmp_path, name.replace("\0", "\x01")))
    assert shape.appearance is not None
    assert shape.appearance.textures == ()
    assert "texture" in caplog.text
    assert find_beside(tmp_path / "a.obj", name) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
@pytest.mark.parametrize("name", ["pipe", "link"])
def test_pipes_and_devices_are_never_opened(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    shape = colored(textured(tmp_path, name))
    assert shape.appearance is not None
    assert shape.appearance.textures == ()
    write(tmp_path, "b.obj", f"mtllib {name}\n{vertices_text()}f 1 2 3\n")
    assert colored(tmp_path / "b.obj").appearance is None


def test_where_named_files_are_looked_for(tmp_path: Path) -> None:
    folder = tmp_path / "shape" / "models"
    for place in ("sub", "images", "textures", "../images", "../secret", "../.."):
        (folder / place).mkdir(parents=True, exist_ok=True)
    path = folder / "a.obj"
    for place in (
        "sub/a.png",
        "images/b.png",
        "textures/c.png",
        "../images/d.png",
        "../secret/e.png",
        "../../f.png",
    ):
        (folder / place).write_bytes(b"")
    usual = ("images", "textures", "../images", "../textures")
    assert find_beside(path, "sub/a.png") == folder / "sub" / "a.png"
    assert find_beside(path, r"sub\a.png") == folder / "sub" / "a.png"
    assert find_beside(path, "b.png") is None
    assert find_beside(path, "b.png", usual) == folder / "images" / "b.png"
    assert find_beside(path, "/home/me/b.png", usual) == folder / "images" / "b.png"
    assert find_beside(path, r"C:\Users\me\c.png", usual) == folder / "textures" / "c.png"
    assert find_beside(path, "../images/d.png", usual) == folder / "../images" / "d.png"
    for outside in ("../secret/e.png", "../../f.png", str(tmp_path / "f.png"), "sub/../../secret/e.png"):
        assert find_beside(path, outside, usual) is None


def test_libraries_follow_the_same_rule_and_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "models").mkdir()
    write(tmp_path, "outside.mtl", "newmtl m\nKd 0 1 0\n")
    write(tmp_path / "models", "my red.mtl", "newmtl red\nKd 1 0 0\n")
    write(tmp_path / "models", "blue.mtl", "newmtl blue\nKd 0 0 1\n")
    read: list[Path] = []
    original = read_text_file

    def counted(path: Path) -> str:
        read.append(path)
        return original(path)

    monkeypatch.setattr("crossjepa.io.obj_color.read_text_file", counted)
    text = (
        "mtllib my red.mtl\nmtllib ./my red.mtl\n" * 50 + "mtllib none.mtl blue.mtl\nmtllib ../outside.mtl\n"
    )
    text += f"{vertices_text()}usemtl red\nf 1 2 3\nusemtl blue\nf 1 2 4\nusemtl m\nf 2 3 4\n"
    shape = look(write(tmp_path / "models", "a.obj", text))
    assert shape.colors_F33[:, 0].tolist() == [[1, 0, 0], [0, 0, 1], [1, 1, 1]]
    assert len([path for path in read if path.name == "my red.mtl"]) == 1
    assert "its materials ../outside.mtl are not there" in caplog.text


def test_the_largest_image_is_decoded() -> None:
    assert decode_texture(png_of(8192, 2048), opaque=True).shape == (256, 1024, 4)
    jpeg = io.BytesIO()
    Image.new("L", (10_000, 8_000)).save(jpeg, "JPEG")
    texels_HW4 = decode_texture(jpeg.getvalue(), opaque=True)
    assert texels_HW4.shape[1] == 1024
    assert np.asarray(texels_HW4).dtype == np.uint8
