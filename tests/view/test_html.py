"""Pages hold everything, and text never becomes markup."""

from __future__ import annotations

import base64
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

from crossjepa.view.html import packed, picture, text, write_html


class Elements(HTMLParser):
    """Elements of a page, and the text of each kind."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names = [""]
        self.texts: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts[self.names[-1]] = self.texts.get(self.names[-1], "") + data


def test_names_and_data_are_shown_and_never_run(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script> & \udce9 é"
    write_html(tmp_path / "page.html", evil, f"<h1>{text(evil)}</h1>", data={"name": evil})
    page = Elements((tmp_path / "page.html").read_text("utf-8"))
    assert page.names.count("script") == 1
    assert page.texts["title"].startswith("</script><script>alert(1)</script> & ? é")
    assert json.loads(page.texts["script"]) == {"name": evil}


def test_arrays_and_pictures_come_out_as_they_went_in() -> None:
    array = np.array([[1, -2], [300, 4]], ">i2")
    assert (np.frombuffer(base64.b64decode(packed(array)), "<i2").reshape(2, 2) == array).all()
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    address = picture(image)
    assert address.startswith("data:image/png;base64,")
    content = base64.b64decode(address.partition(",")[2])
    assert (np.asarray(Image.open(io.BytesIO(content))) == image).all()
