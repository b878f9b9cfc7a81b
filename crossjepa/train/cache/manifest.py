"""The manifest of a cache (names, recipe, checksums) and the folder of an unfinished one."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossjepa.config import TeacherConfig

FORMAT = 2
MANIFEST = "manifest.json"


def seal(manifest: Mapping[str, Any]) -> str:
    """Returns a checksum of a manifest without its seal."""
    rest = {name: value for name, value in manifest.items() if name != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def partial_folder(folder: str | os.PathLike[str]) -> Path:
    """Returns the folder of the unfinished cache."""
    return Path(folder).with_name(Path(folder).name + ".partial")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads the manifest of a cache.

    Raises:
        ValueError: the manifest is damaged.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or "names" not in manifest:
            raise ValueError("it is not a manifest")
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder / MANIFEST}: damaged ({error})") from error
    return manifest


def teachers_in(manifest: Mapping[str, Any], width: int) -> tuple[TeacherConfig, ...]:
    """Returns the teachers of a cache, in the order in which their embeddings lie side by side.

    Args:
        manifest: of the cache.
        width: channels of all teachers together.
    """
    found = manifest.get("recipe", {}).get("teacher")
    if not isinstance(found, list):
        if not isinstance(found, Mapping):  # caches of format 1 know only its name
            found = {"name": str(found).removesuffix(".safetensors"), "embedding": "cls"}
        return (_teacher(found, width),)
    spans = [manifest["parts"][facts["name"]] for facts in found]
    return tuple(_teacher(facts, end - start) for facts, (start, end) in zip(found, spans, strict=True))


def _teacher(facts: Mapping[str, Any], width: int) -> TeacherConfig:
    checksum = str(facts.get("weights_sha256") or "")
    return TeacherConfig(str(facts["name"]), str(facts["embedding"]), width, checksum)
