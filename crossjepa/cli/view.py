"""`crossjepa view`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from crossjepa.cli import options
from crossjepa.defaults import SHOWN_POINTS
from crossjepa.errors import PointCloudError


def view(
    inputs: options.Inputs,
    output: Annotated[Path | None, arg(aliases=["-o"], metavar="PAGE.html"), options.unset("no page")] = None,
    png: Annotated[Path | None, arg(metavar="PICTURE.png"), options.unset("no picture")] = None,
    ply: Annotated[Path | None, arg(metavar="FILE.ply-or-FOLDER"), options.unset("no PLY")] = None,
    model: options.Model = options.DEFAULT_MODEL,
    color: Literal["features", "within", "prediction"] = "within",
    points: int = SHOWN_POINTS,
    size: int = 480,
    title: str = "",
    label: Annotated[str | None, options.unset("none")] = None,
    up_axis: options.UpAxis = None,
    outliers: options.Outliers = None,
    device: options.Device = "auto",
    quiet: options.Quiet = False,
) -> int:
    """Show features and predictions of files as pages and pictures.

    The page works offline, and its shapes can be turned. Their points are colored by the principal components
    of their features, by their similarity to a point that is clicked, and by the classes or parts that a
    fine-tuned model predicts.

    Args:
        output: write a page with everything inside; needs the extra `view`.
        png: write a picture of all files with their names.
        ply: write points with colors for other tools: one file that ends in .ply, or a folder for several.
        color: colors of picture and PLY: principal components of features, the same of features less the mean
            of their shape, or what the head predicts.
        points: points to show of each file; those of a mesh are samples of its surface.
        size: width and height of each shape in the picture, in pixels.
        title: heading of the page.
        label: class of the objects, which a model of parts takes as known.
    """
    wanted = {".html": output, ".png": png, ".ply": ply}
    if not any(wanted.values()):
        raise ValueError("say what to write: -o page.html, --png picture.png or --ply points.ply")
    for suffix, path in wanted.items():
        if path and (suffix != ".ply" or path.suffix.lower() == ".ply"):
            options.check_output(path, (suffix,))
    if size < 1:
        raise ValueError(f"--size must be at least 1, not {size}")

    from crossjepa.device import resolve_device
    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.view import make_scene, write_page, write_picture, write_ply
    from crossjepa.view.html import plotly_script

    if output:
        plotly_script()  # what is missing is said before any work is done
    files, left_out = options.list_inputs(inputs)
    if ply and ply.suffix.lower() == ".ply" and len(files) > 1:
        raise ValueError(f"{ply}: one PLY file for {len(files)} files: name a folder instead")
    encoder = CrossJEPAEncoder.from_pretrained(model, device=resolve_device(device))
    if color == "prediction" and not encoder.classes:
        raise ValueError(f"{model} has no head that could predict anything: use --color features")
    options.choose_outliers(encoder, outliers)
    errors = dict[int, PointCloudError]()
    try:
        scene = make_scene(
            encoder, files, model=model, points=points, label=label, up_axis=up_axis,
            on_error=errors.__setitem__,
        )  # fmt: skip
    except ValueError:
        if len(errors) < len(files):
            raise
        return options.finish(0, list(errors.values()))
    if output:
        write_page(output, scene, title=title)
    if png:
        write_picture(png, scene, color=color, size=size)
    if ply:
        write_ply(ply, scene, color=color)
    code = options.finish(len(scene.shapes), list(errors.values()), [] if quiet else left_out)
    if not quiet:
        print("\n".join(f"{path}: {len(scene.shapes)} shapes" for path in wanted.values() if path))
    return code
