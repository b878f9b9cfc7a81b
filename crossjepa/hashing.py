"""Checksums and fingerprints of files, recipes and weights."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FINGERPRINT_BYTES = 4096


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Returns the hexadecimal checksum of a file."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def file_fingerprint(path: Path) -> str:
    """Returns the size of a file and a checksum of its middle, "" if it cannot be read.

    Files of clouds with the same number of points have the same size, and text files begin alike; in the
    middle they differ.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, (size - FINGERPRINT_BYTES) // 2))
            return f"{size} {hashlib.sha256(file.read(FINGERPRINT_BYTES)).hexdigest()}"
    except OSError:
        return ""


def text_digest(texts: Iterable[str]) -> str:
    """Returns a short digest of a sequence of texts."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode(errors="surrogatepass") + b"\0")
    return digest.hexdigest()[:16]


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """Returns a short digest of a recipe of plain JSON values, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
