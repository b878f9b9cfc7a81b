"""`crossjepa search`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from crossjepa.cli import options


def search(
    index: Annotated[Path, Positional, arg(metavar="INDEX")],
    shape: Annotated[Path | None, arg(metavar="FILE"), options.unset("none")] = None,
    image: Annotated[Path | None, arg(metavar="PICTURE"), options.unset("none")] = None,
    top: int = 12,
    teacher: Annotated[str, arg(metavar="NAME-or-FILE"), options.unset("the name that the index has")] = "",
    where: Annotated[str, options.unset("all files")] = "",
    refine: int = 0,
    exact: options.Flag = False,
    sheet: Annotated[Path | None, arg(metavar="OUT.png"), options.unset("none")] = None,
    model: Annotated[str | None, arg(aliases=["-m"]), options.unset("where the index found them")] = None,
    up_axis: options.UpAxis = None,
    device: options.Device = "auto",
    json: options.Json = False,
) -> int:
    """Find shapes by a shape, or by a picture of one.

    Prints similarity, file and, for a picture, azimuth and elevation of the pose it shows, separated by tabs.

    Args:
        index: folder made by `crossjepa index`.
        shape: point cloud or mesh to find similar ones of.
        image: picture of one object, on a plain or transparent background.
        top: shapes to print at most.
        teacher: image model that the weights learned from, for --image: timm name, whose weights come from
            the Hugging Face Hub, or a local ARCHITECTURE.safetensors.
        where: condition in SQL on file, folder, suffix, digest and points, such as "folder = 'chairs'".
        refine: for --image, so many of the best shapes are compared again, by views that are predicted
            with the colors of the picture.
        exact: compare with all shapes, however many there are.
        sheet: write pictures of the query and of what was found.
        model: name, org/repo or folder of the weights that the index was made with.
    """
    if (shape is None) == (image is None):
        raise ValueError("give either --shape FILE or --image PICTURE")
    if top < 1:
        raise ValueError(f"top must be at least 1, not {top}")
    if sheet:
        options.check_output(sheet, (".png",))

    from crossjepa.device import resolve_device
    from crossjepa.index import ShapeIndex, write_sheet

    opened = ShapeIndex(index, model, device=str(resolve_device(device)))
    if image:
        matches = opened.search_picture(image, teacher, top, where=where, refine=refine, exact=exact)
    else:
        assert shape is not None
        matches = opened.search(shape, top, where=where, up_axis=up_axis, exact=exact)
    if sheet:  # before anything is printed to what may be closed
        write_sheet(sheet, matches, image or shape or "", up_axis=opened.up_axis)
    if json:
        options.print_json([asdict(match) for match in matches])
    for match in [] if json else matches:
        pose = "" if match.azimuth is None else f"\t{match.azimuth:.0f}\t{match.elevation:.0f}"
        print(f"{match.similarity:.4f}\t{match.file}{pose}")
    return 0
