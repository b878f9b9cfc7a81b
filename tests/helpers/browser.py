"""A real browser without a screen, driven by Playwright: chromium, or what CROSSJEPA_BROWSER names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# WebGL without a graphics card.
_FLAGS = (
    "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)  # fmt: skip
WIDE, PHONE = (1280, 900), (390, 844)


@contextmanager
def opened(page: Path, size: tuple[int, int] = WIDE) -> Iterator[Any]:
    """Opens a page of this machine; whatever it asks for but itself, and every error of a script, fails."""
    playwright = pytest.importorskip("playwright.sync_api", reason="tests of pages need playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = os.environ.get("CROSSJEPA_BROWSER") or next(filter(None, map(shutil.which, names)), None)
    asked, problems = list[str](), list[str]()
    with playwright.sync_playwright() as driver:
        browser = browser or driver.chromium.executable_path
        if not Path(browser).is_file():
            pytest.skip("there is no browser: install chromium, or name one in CROSSJEPA_BROWSER")
        program = driver.chromium.launch(executable_path=browser, args=list(_FLAGS))
        tab = program.new_page(viewport={"width": size[0], "height": size[1]})
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        tab.goto(page.absolute().as_uri())
        tab.wait_for_selector("body[data-ready=yes]", timeout=60_000)
        yield tab
        program.close()
    assert problems == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [page.absolute().as_uri()]
