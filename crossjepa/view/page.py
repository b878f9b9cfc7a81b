"""A page of shapes to turn, with points colored by what the model makes of them.

N points of a shape, D principal components
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from crossjepa._version import __version__
from crossjepa.view.html import asset, packed, plotly_script, text, write_html
from crossjepa.view.scene import Scene, Shown

_BODY = """<header>
<h1>{title}</h1>
<p class="lead">{lead}</p>
</header>
<div class="bar">
<div class="modes" id="modes" role="group" aria-label="Color of the points"></div>
<label class="option"><input type="checkbox" id="within" checked> within shapes</label>
<label class="option"><input type="checkbox" id="together" checked> turn together</label>
<div class="pager" id="pager" hidden>
<button type="button" id="previous">Previous</button>
<span id="place"></span>
<button type="button" id="next">Next</button>
</div>
</div>
<p class="hint" id="hint" aria-live="polite"></p>
<div class="legend" id="legend"></div>
<main class="grid" id="grid"></main>
<footer>{footer}</footer>
<noscript><p class="lead">This page needs JavaScript.</p></noscript>"""


def write_page(path: str | os.PathLike[str], scene: Scene, *, title: str = "") -> None:
    """Writes a page that works offline, in any browser with WebGL.

    Its points can be colored by the principal components of their features, by the similarity of their
    features to those of a point that is clicked, and by predicted classes or parts.

    Args:
        path: the HTML file; about 5 MB and another 0.2 MB per shape.
        scene: what to show.
        title: heading of the page; by default it counts the shapes.

    Raises:
        ImportError: plotly is missing; install `crossjepa[view]`.

    Example:
        >>> encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
        >>> scene = crossjepa.view.make_scene(encoder, ["chair.obj", "table.obj"], points=500)
        >>> write_page("page.html", scene)
    """
    plotly = plotly_script()  # asked for first: without it there is no page
    count = len(scene.shapes)
    title = title or (scene.shapes[0].name if count == 1 else f"{count} shapes")
    lead = "Every point has a feature of its own. Points of one color look alike to the model."
    footer = (
        f"Features of {text(scene.model)} (weights {text(scene.weights[:12])}); their first three "
        f"principal components are shown as lightness, green to red, and blue to yellow, on one scale for "
        f"this page. Similarity is the cosine of features less their mean on this page, or less that of "
        f"their shape, in the {scene.shapes[0].coordinates_ND.shape[1]} components that hold "
        f"{100 * scene.variance:.1f} % of the variance. Made by crossjepa {__version__}."
    )
    body = _BODY.format(title=text(title), lead=lead, footer=footer)
    write_html(path, title, body, data=_data(scene), scripts=(plotly, asset("view.js")))


def _data(scene: Scene) -> dict[str, Any]:
    largest_D = np.max([np.abs(shape.coordinates_ND).max(axis=0) for shape in scene.shapes], axis=0)
    scale_D = np.where(largest_D > 0, largest_D, 1) / 127
    named = [f"rgb({red},{green},{blue})" for red, green, blue in scene.name_colors_K3.tolist()]
    return {
        "task": scene.task,
        "names": list(map(text, scene.names)),
        "nameColors": named,
        "scale": scale_D.tolist(),
        "shapes": [_shape_data(scene, shape, scale_D) for shape in scene.shapes],
    }


def _shape_data(scene: Scene, shape: Shown, scale_D: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    points_N3 = shape.points_N3
    span = max(float(np.abs(points_N3).max()), 1e-6)
    size = f"{shape.count:,} {'vertices' if shape.kind == 'mesh' else 'points'}"
    note = f"mesh, {size}" if shape.kind == "mesh" else f"cloud, {size}"
    if scene.task == "classification":
        note = f"{shape.label}, {100 * shape.probability:.1f} %"
    return {
        "name": text(shape.name),
        "note": text(note),
        "span": span,
        "points": packed((points_N3 / span * 32767).round().astype(np.int16)),
        "colors": packed(shape.colors_N3),
        "within": packed(shape.within_N3),
        "features": packed((shape.coordinates_ND / scale_D).round().astype(np.int8)),
        "numbers": packed(shape.names_N(scene.names).astype(np.uint16)) if scene.task else "",
    }
