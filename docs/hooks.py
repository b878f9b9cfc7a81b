"""What the site needs beside its pages: pages of the repository's root, and links as on GitHub.

A link in a page of `docs/` may lead to any file of the repository, as GitHub resolves it. On the site, a link
to a page of the site stays one, and a link to another file leads to the repository. One to a file that is not
there fails the build.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
ROOT_PAGES = ("MODEL_CARD.md", "CHANGELOG.md")
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
BLOCK = re.compile(r"^( *)(```|~~~).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
log = logging.getLogger("mkdocs.plugins.crossjepa")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of the repository's root."""
    for name in ROOT_PAGES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites the links of a page, outside of its code blocks."""
    source = PurePosixPath(page.file.src_uri)
    folder = source.parent if source.name in ROOT_PAGES else "docs" / source.parent

    def rewritten(link: re.Match[str]) -> str:
        target = os.path.normpath(folder / link[1])
        anchor = link[2] or ""
        on_site = target if target in ROOT_PAGES else ""
        if target.startswith("docs/"):
            on_site = target.removeprefix("docs/")
        if on_site and files.get_file_from_path(on_site) is not None:
            return on_site + anchor
        if not (ROOT / target).exists():
            log.warning("%s: the link %s leads to no file", page.file.src_uri, link[0])
        return f"{config.repo_url}/blob/main/{target}{anchor}"

    pieces, end = [], 0
    for block in BLOCK.finditer(markdown):
        pieces += [LINK.sub(rewritten, markdown[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*pieces, LINK.sub(rewritten, markdown[end:])])
