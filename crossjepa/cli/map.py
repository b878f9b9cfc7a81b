"""`crossjepa map`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from crossjepa.cli import options


def draw_map(
    inputs: options.Inputs,
    output: Annotated[Path, arg(aliases=["-o"], metavar="PAGE.html")],
    model: options.Model = options.DEFAULT_MODEL,
    method: Literal["auto", "tsne", "umap", "pca"] = "auto",
    clusters: Annotated[int | None, arg(metavar="K"), options.unset("by the best silhouette")] = None,
    title: str = "",
    seed: int = 0,
    up_axis: options.UpAxis = None,
    outliers: options.Outliers = None,
    device: options.Device = "auto",
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> int:
    """Draw a map of a collection, with pictures and clusters.

    Similar shapes lie near each other. The page works offline and shows a picture of the shape under the
    pointer. Needs the extra `view`.

    Args:
        output: the page.
        method: how shapes are laid out; auto takes UMAP if it is installed, else t-SNE.
        clusters: number of clusters.
        title: heading of the page.
        seed: seed of layout and clusters.
    """
    options.check_output(output, (".html",))

    from crossjepa.device import resolve_device
    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.view.embedding_map import make_map, write_map
    from crossjepa.view.html import plotly_script

    plotly_script()  # what is missing is said before any work is done
    files, left_out = options.list_inputs(inputs, output)
    encoder = CrossJEPAEncoder.from_pretrained(model, device=resolve_device(device))
    options.choose_outliers(encoder, outliers)
    found = make_map(
        encoder, files, model=model, method=method, clusters=clusters, up_axis=up_axis, seed=seed,
        progress=False if quiet or no_progress else None,
    )  # fmt: skip
    write_map(output, found, title=title)
    code = options.finish(len(found.names), found.errors, [] if quiet else left_out)
    if not quiet:
        count = int(found.clusters_n.max()) + 1
        print(f"{output}: {len(found.names)} shapes by {found.method}, clusters: {count}")
    return code
