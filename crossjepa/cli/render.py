"""`crossjepa render`, and the options of everything that renders."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from crossjepa.cli import options
from crossjepa.config import Axis

if TYPE_CHECKING:
    from crossjepa.train.render.views import RenderConfig


@dataclass(frozen=True)
class Pictures:
    """What determines the pictures and points of an object.

    Attributes:
        rig: cameras: orbit8, r2n2, disn, mvcnn12 or sphere.
        size: pixels along each side of a picture.
        points: points kept of an object.
        up_axis: axis that points up in the files.
        seed: seed of the cameras and the points.
    """

    rig: str = "orbit8"
    size: int = 224
    points: int = 4096
    up_axis: Axis = "y"
    seed: int = 0

    def config(self) -> RenderConfig:
        """Returns what the renderer takes.

        Raises:
            ValueError: a number is not positive, or the rig is unknown.
        """
        from crossjepa.train.render import rig
        from crossjepa.train.render.views import RenderConfig

        rig(self.rig)
        for name in ("size", "points"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} must be at least 1, not {getattr(self, name)}")
        return RenderConfig(self.rig, self.size, stored_points=self.points, seed=self.seed)


DEFAULT_PICTURES = Pictures()


def render(
    inputs: options.Inputs,
    output: options.Folder,
    preview: Annotated[Path | None, arg(metavar="PNG"), options.unset("no file")] = None,
    preview_views: Annotated[
        int | None, arg(metavar="N"), options.unset("all of few files, 1 of many")
    ] = None,
    pictures: Pictures = DEFAULT_PICTURES,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> int:
    """Render files from many sides.

    Args:
        output: folder in which each object gets a folder.
        preview: also write a contact sheet with names to this file; it shows clouds as round points.
        preview_views: views of each file on the sheet, 0 for all.
    """
    if preview:
        options.check_output(preview, (preview.suffix,))
    if preview_views is not None and preview_views < 0:
        raise ValueError(f"--preview-views must be at least 0, not {preview_views}")

    from crossjepa.device import resolve_device
    from crossjepa.train.render.preview import write_preview
    from crossjepa.train.render.render_files import render_files

    config, place = pictures.config(), str(resolve_device(device))
    shown = sys.stderr.isatty() and not (quiet or no_progress)

    def show(done: int, total: int) -> None:
        print(f"\rrender: {done} of {total} files", end="\n" if done == total else "", file=sys.stderr)

    result = render_files(
        inputs, output, config, up_axis=pictures.up_axis, device=place, each=show if shown else None
    )
    if preview:
        write_preview(preview, result.folders, views=preview_views)
    code = options.finish(len(result.folders), result.errors)
    if json:
        skipped = [{"file": error.source, "reason": error.reason} for error in result.errors]
        folders = list(map(str, result.folders))
        options.print_json({"output": str(output), "folders": folders, "skipped": skipped})
    elif not quiet:
        print(f"{output}: views of {len(result.folders)} files")
    return code
