"""Images that mesh files name: where they may lie, and how they are decoded.

H x W texels
"""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

# More texels than a view of a few hundred pixels can show.
MAX_TEXTURE_SIDE = 1024
# The formats of textures that Pillow decodes by itself; some of its others start programs.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TGA", "GIF")
# An image of 8,192 x 8,192; as a file, bytes.
_MAX_PIXELS, _MAX_BYTES = 1 << 26, 1 << 28
# A scheme, or a drive of Windows.
IS_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def is_regular(path: Path) -> bool:
    """Returns whether a path is a regular file or a link to one; no name is too odd to ask."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def find_beside(path: Path, name: str, folders: tuple[str, ...] = ()) -> Path | None:
    """Finds a file that another file names, without ever leaving its surroundings.

    Names are taken relative to the folder of the naming file. If they are absolute, leave that folder or lead
    nowhere, as the paths of other machines do, the last part of the name is looked up there.

    Args:
        path: the file that names another.
        name: the name that it gives.
        folders: other folders to look in for the last part of the name, relative to that of `path`.

    Returns:
        A regular file; None if there is none.
    """
    name = name.replace("\\", "/")
    relative = PurePosixPath(name)
    stays = not (relative.is_absolute() or ".." in relative.parts or IS_URL.match(name))
    places = [relative] if stays else []
    places += [PurePosixPath(folder) / relative.name for folder in (".", *folders)]
    return next((path.parent / place for place in places if is_regular(path.parent / place)), None)


def read_image(path: Path | None) -> bytes:
    """Returns the content of an image file.

    Raises:
        ValueError: it is missing, cannot be read, or is larger than images are.
    """
    if path is None:
        raise ValueError("no such file")
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror or error})") from error
    if len(content) > _MAX_BYTES:
        raise ValueError(f"more than {_MAX_BYTES >> 20} MiB")
    return content


def decode_texture(content: bytes, *, opaque: bool) -> NDArray[np.uint8]:
    """Decodes an image to (H, W, 4) uint8 and shrinks it to at most `MAX_TEXTURE_SIDE` texels per side.

    Args:
        content: a file of one of `FORMATS`.
        opaque: whether to ignore its opacity.

    Raises:
        ValueError: it is another file, damaged, or has more pixels than are accepted.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                image.draft("RGB", (MAX_TEXTURE_SIDE, MAX_TEXTURE_SIDE))
                if image.width * image.height > _MAX_PIXELS:
                    raise ValueError(f"{image.width} x {image.height} pixels")
                picture = image.convert("RGBA")
            picture.thumbnail((MAX_TEXTURE_SIDE, MAX_TEXTURE_SIDE), Image.Resampling.BOX)
            texels_HW4 = np.array(picture, np.uint8)
    except UnidentifiedImageError as error:
        raise ValueError(f"no readable image (none of {', '.join(FORMATS)})") from error
    except Exception as error:  # decoders raise many types of error for damaged images
        raise ValueError(f"no readable image ({type(error).__name__}: {error})"[:200]) from error
    if opaque:
        texels_HW4[..., 3] = 255
    return texels_HW4
