"""Files of a repository on the Hub, compared with the checksums that the Hub announced."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossjepa.errors import WeightsError
from crossjepa.hashing import file_digest
from crossjepa.hub_client import MissingFile, Refused, ask_checksum, get_file

_SHA256, _GIT_SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


def download(
    repo: str, files: Sequence[str], options: Mapping[str, Any], missing: Callable[[str], str]
) -> Path:
    """Downloads files of one commit, or finds them in the cache of the Hub's client.

    Every file is compared with the checksum that the Hub announced; a damaged one is downloaded again.

    Args:
        repo: "org/repo".
        files: their names.
        options: see `crossjepa.hub.HubOptions`.
        missing: says that the repository lacks a file.

    Returns:
        The folder with the files.

    Raises:
        WeightsError: a file cannot be had; the message says why.
    """
    settings, path = dict(options), Path()
    for name in files:
        try:
            path = _genuine(repo, name, settings)
        except Refused as error:
            reason = missing(name) if isinstance(error, MissingFile) else str(error)
            raise WeightsError(repo, reason) from error
        # The weights come from the commit of the config, so that a push in between cannot mix two versions.
        settings["revision"] = path.parent.name
    return path.parent


def _genuine(repo: str, name: str, settings: Mapping[str, Any]) -> Path:
    path = get_file(repo, name, settings)
    announced = _announced(repo, path, settings)
    if _fits(path, announced):
        return path
    if settings.get("local_files_only"):
        raise Refused(f"the downloaded {name} is damaged: load it again with force_download=True")
    if not path.is_symlink():  # the client would keep it
        _forget(path, announced)
    try:
        path = get_file(repo, name, {**settings, "force_download": True})
    except Refused as error:
        raise Refused(
            f"the downloaded {name} is damaged, load it again once the Hub answers (now: {error})"
        ) from error
    announced = _announced(repo, path, settings)
    if _fits(path, announced):
        return path
    _forget(path, announced)
    raise Refused(
        f"{name} arrived twice with other bytes than the Hub announced (its checksum differs), and was not "
        "kept: try again later, or through another network"
    )


def _announced(repo: str, path: Path, settings: Mapping[str, Any]) -> str:
    """Returns the checksum that the Hub announced for a file in the cache, "" if it is not known."""
    if path.is_symlink():  # to a file whose name is the checksum
        return path.readlink().name
    # On systems without links the client keeps no note of it.
    return "" if settings.get("local_files_only") else ask_checksum(repo, path, settings.get("token"))


def _fits(path: Path, announced: str) -> bool:
    if _SHA256.fullmatch(announced):
        return file_digest(path) == announced
    if _GIT_SHA1.fullmatch(announced):
        content = path.read_bytes()
        header = b"blob %d\0" % len(content)
        return hashlib.sha1(header + content, usedforsecurity=False).hexdigest() == announced
    return True


def _forget(path: Path, announced: str) -> None:
    """Removes a file from the cache: what its name leads to, and a second copy by its checksum."""
    for each in (path.resolve(), path, path.parents[2] / "blobs" / announced):
        each.unlink(missing_ok=True)
