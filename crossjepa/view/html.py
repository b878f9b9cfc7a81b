"""Pages of one file that need nothing from the net: text, data, pictures and scripts are inside."""

from __future__ import annotations

import base64
import html
import io
import json
import os
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crossjepa._version import __version__
from crossjepa.files import atomic_write

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="crossjepa {version}">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}
</style>
</head>
<body>
{body}
{scripts}
</body>
</html>
"""


def write_html(
    path: str | os.PathLike[str], title: str, body: str, *, data: Any = None, scripts: tuple[str, ...] = ()
) -> None:
    """Writes a page, atomically.

    Args:
        path: the file.
        title: its title, as plain text.
        body: the HTML of its body.
        data: plain values that its scripts read.
        scripts: its scripts.
    """
    parts = [] if data is None else [f'<script type="application/json" id="data">{safe_json(data)}</script>']
    parts += [f"<script>{script}</script>" for script in scripts]
    page = _PAGE.format(
        version=__version__, title=text(title), style=asset("style.css"), body=body, scripts="\n".join(parts)
    )
    # Names of files need not be valid Unicode.
    atomic_write(path, lambda file: file.write(page.encode("utf-8", "replace")))


def text(value: object) -> str:
    """Returns plain text as HTML that shows it."""
    return html.escape(str(value).encode("utf-8", "replace").decode())


def safe_json(values: Any) -> str:
    """Returns plain values as JSON that cannot end the script element around it."""
    return json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")


def asset(name: str) -> str:
    """Returns a style sheet or script that comes with the package."""
    return (resources.files("crossjepa.view") / "assets" / name).read_text(encoding="utf-8")


def plotly_script() -> str:
    """Returns plotly.js.

    Raises:
        ImportError: plotly is missing; install `crossjepa[view]`.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError("pages that move need plotly: pip install 'crossjepa[view]'") from error
    return str(get_plotlyjs())


def packed(array: NDArray[Any]) -> str:
    """Returns the bytes of an array, little-endian, as base64."""
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def picture(image_HW3: NDArray[np.uint8]) -> str:
    """Returns an (H, W, 3) uint8 picture as the address of a PNG that is inside the page."""
    file = io.BytesIO()
    Image.fromarray(image_HW3).save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
