"""A map of a collection: similar shapes lie near each other, and show themselves under the pointer.

n shapes, E embedding width, H x W pixels
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crossjepa._version import __version__
from crossjepa.config import Axis
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.io import Mesh, PointCloud, PointCloudError, read
from crossjepa.processor import rotate_up_axis, unit_sphere
from crossjepa.train.render.camera import View
from crossjepa.train.render.dots import framed, render_dots
from crossjepa.train.render.shading import draw_mesh
from crossjepa.train.render.sheet import short_names
from crossjepa.view.colors import name_colors
from crossjepa.view.html import asset, plotly_script, text, write_html
from crossjepa.view.plane import Method, find_clusters, to_plane

THUMBNAIL, VIEW = 112, View(35, 20)
# Points of a cloud in a picture of this size; more would hide each other.
_POINTS = 2048
_BODY = """<header><h1>{title}</h1><p class="lead">{lead}</p></header>
<div class="bar">
<div class="modes" id="modes" role="group" aria-label="Color of the points"></div>
<label class="option"><input type="checkbox" id="pictures"> pictures</label>
</div>
<p class="hint">Point at a shape to see it; drag to zoom in, double-click to zoom out. A click on a name in
the legend hides its shapes.</p>
<div class="stage"><div class="plot" id="plot"></div></div>
<div class="peek" id="peek" hidden><img alt=""><div></div></div>
<footer>{footer}</footer>"""


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """A collection in a plane.

    Attributes:
        names: name of each shape.
        folders: folder of each shape, "" if all are in one.
        places_n2: (n, 2) places.
        clusters_n: (n,) numbers of clusters, the largest cluster first.
        pictures: PNG of each shape.
        method: how the places were found.
        model: name of the model.
        errors: why other files are not on the map.
    """

    names: tuple[str, ...]
    folders: tuple[str, ...]
    places_n2: NDArray[np.float64]
    clusters_n: NDArray[np.int64]
    pictures: tuple[bytes, ...]
    method: str
    model: str
    errors: tuple[PointCloudError, ...] = ()


def make_map(
    encoder: CrossJEPAEncoder,
    files: Sequence[str | os.PathLike[str]],
    *,
    model: str = "encoder",
    method: Method = "auto",
    clusters: int | None = None,
    up_axis: Axis | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> EmbeddingMap:
    """Encodes, lays out, clusters and renders files; those that cannot be used are left out.

    Args:
        encoder: the model.
        files: point clouds and meshes.
        model: what to call the model.
        method: see `to_plane`.
        clusters: number of clusters; by default as `find_clusters` chooses.
        up_axis: the axis that points up in the files; the one of the weights by default.
        seed: seed of everything random.
        progress: show progress bars.

    Returns:
        The map.

    Raises:
        ValueError: no file can be used, or there are fewer files than clusters.
        ImportError: scikit-learn is missing; install `crossjepa[view]`.
    """
    errors = dict[int, PointCloudError]()
    paths = list(map(Path, files))
    features_nE = encoder.encode(paths, up_axis=up_axis, on_error=errors.__setitem__, progress=progress)
    kept = [row for row in range(len(paths)) if row not in errors]
    if not kept:
        reasons = "; ".join(map(str, list(errors.values())[:3]))
        raise ValueError(f"there is nothing to show: no file could be used ({reasons})")
    axis = up_axis or encoder.processor.config.up_axis
    chosen_nE = features_nE[kept]
    places_n2, used = to_plane(chosen_nE, method, seed)
    shown = [paths[row] for row in kept]
    return EmbeddingMap(
        tuple(short_names(shown)), _folders(shown), places_n2, find_clusters(chosen_nE, clusters, seed),
        tuple(_png(shape_picture(read(path, color=True), axis)) for path in shown), used, model,
        tuple(errors.values()),
    )  # fmt: skip


def write_map(path: str | os.PathLike[str], found: EmbeddingMap, *, title: str = "") -> None:
    """Writes a map as a page that works offline.

    Args:
        path: the HTML file.
        found: the map.
        title: heading of the page; by default it counts the shapes.

    Raises:
        ImportError: plotly is missing; install `crossjepa[view]`.

    Example:
        >>> encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
        >>> write_map("map.html", make_map(encoder, ["chair.obj", "table.obj", "horse.obj"]))
    """
    plotly = plotly_script()
    title = title or f"Map of {len(found.names):,} shapes"
    lead = "Shapes that look alike to the model lie near each other."
    footer = (
        f"Features of {text(found.model)}, less their mean and at unit length, laid out by {found.method}. "
        f"Distances between far groups mean little. Clusters are those of k-means on the features, not on "
        f"the map. Made by crossjepa {__version__}."
    )
    body = _BODY.format(title=text(title), lead=lead, footer=footer)
    write_html(path, title, body, data=_data(found), scripts=(plotly, asset("map.js")))


def shape_picture(shape: Mesh | PointCloud, up_axis: Axis = "y", size: int = THUMBNAIL) -> NDArray[np.uint8]:
    """Returns a (size, size, 3) uint8 picture of a mesh, or of a cloud as round points.

    Args:
        shape: the shape.
        up_axis: the axis that points up in it.
        size: width and height in pixels.
    """
    if isinstance(shape, Mesh):
        used_V = np.unique(shape.faces_F3)
        upright_V3 = rotate_up_axis(shape.vertices_V3, up_axis, "y")
        frame = unit_sphere(upright_V3[used_V])
        moved_U3, view = framed(frame.apply(upright_V3[used_V]), VIEW)
        faces_F3 = np.searchsorted(used_V, shape.faces_F3)
        drawn = draw_mesh(moved_U3, faces_F3, [view], size=size, supersample=2, appearance=shape.appearance)
        return np.asarray(drawn.images_VHW3[0])
    step = max(1, len(shape.points_N3) // _POINTS)
    some_N3 = rotate_up_axis(shape.points_N3[::step], up_axis, "y")
    colors_N3 = None if shape.colors_N3 is None else shape.colors_N3[::step]
    moved_N3, view = framed(unit_sphere(some_N3).apply(some_N3), VIEW)
    return np.asarray(render_dots(moved_N3, [view], size=size, colors_N3=colors_N3)[0])


def _png(image_HW3: NDArray[np.uint8]) -> bytes:
    """Returns a picture as PNG whose background is transparent."""
    opaque_HW = ~(image_HW3 == 255).all(axis=2)
    pixels_HW4 = np.concatenate([image_HW3, (255 * opaque_HW).astype(np.uint8)[..., None]], axis=2)
    file = io.BytesIO()
    Image.fromarray(pixels_HW4).save(file, format="PNG", optimize=True)
    return file.getvalue()


def _folders(paths: Sequence[Path]) -> tuple[str, ...]:
    unique = dict.fromkeys(path.absolute().parent for path in paths)
    named = dict(zip(unique, short_names(list(unique)), strict=True))
    return tuple(named[path.absolute().parent] if len(unique) > 1 else "" for path in paths)


def _data(found: EmbeddingMap) -> dict[str, Any]:
    clusters = [f"cluster {number + 1}" for number in found.clusters_n.tolist()]
    groups = {"Clusters": clusters}
    if any(found.folders):
        groups["Folders"] = list(map(text, found.folders))
    most = max(len(set(names)) for names in groups.values())
    return {
        "names": list(map(text, found.names)),
        "places": found.places_n2.round(4).tolist(),
        "groups": groups,
        "colors": [f"rgb({red},{green},{blue})" for red, green, blue in name_colors(most).tolist()],
        "pictures": ["data:image/png;base64," + base64.b64encode(png).decode() for png in found.pictures],
    }
