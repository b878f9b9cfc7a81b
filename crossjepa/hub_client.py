"""One request to the Hub by its own client: never waited for without end, and its failure in plain words."""

from __future__ import annotations

import errno
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Seconds without a usable answer after which no further request is sent. A download that goes on has all the
# time it needs.
PATIENCE = 60.0

_NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.ENOTDIR)
_RESET = re.compile(r"\bt=(\d+)")
_STATUSES = {
    401: "no access: a private repository, or a token that is not valid; pass token=... or `hf auth login`",
    403: "no access: ask for it on the page of the repository, and pass a token that has it",
    404: "not found on the Hub",
    410: "no longer on the Hub",
    429: "the Hub limits the number of requests: wait, or log in by `hf auth login`",
    451: "not available for legal reasons",
}


class Refused(Exception):
    """A file that the Hub or its client did not give; the message says why."""


class MissingFile(Refused):
    """The repository has no such file."""


def get_file(repo: str, name: str, settings: Mapping[str, Any]) -> Path:
    """Returns a file of a repository in the cache of the Hub's client, which downloads it if needed.

    Raises:
        Refused: it cannot be had.
    """
    from huggingface_hub import hf_hub_download

    try:
        with _bounded():
            return Path(hf_hub_download(repo, name, **settings))
    except Exception as error:  # of the client, or of its HTTP library, which depends on its version
        raise _refusal(error, name, settings) from error


def ask_checksum(repo: str, path: Path, token: str | bool | None) -> str:
    """Asks the Hub for the checksum of a file in the cache; "" if it does not answer."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    try:
        with _bounded():
            url = hf_hub_url(repo, path.name, revision=path.parent.name)
            return get_hf_file_metadata(url, token=token).etag or ""
    except Exception:
        return ""


class _Waited(Exception):
    """The Hub was asked for long enough."""


@contextmanager
def _bounded() -> Iterator[None]:
    """Limits how long the client waits and tries again; it would wait for hours if the Hub says so."""
    from huggingface_hub import utils

    client: Any = utils.get_session()  # type: ignore[attr-defined]  # public, by its documentation
    hooks: Any = getattr(client, "event_hooks", None)
    if hooks is None:  # clients before 1.0 do not wait
        yield
        return
    thread = threading.get_ident()
    unanswered = failing = 0.0  # when the last request, and the first in a row that failed, was sent

    def before(request: Any) -> None:
        nonlocal unanswered, failing
        if threading.get_ident() != thread:
            return
        now = time.monotonic()
        failing = failing or unanswered
        if failing and now - failing > PATIENCE:
            raise _Waited(f"no usable answer for {now - failing:.0f} seconds")
        unanswered = now

    def after(response: Any) -> None:
        nonlocal unanswered, failing
        if threading.get_ident() != thread:
            return
        failing = 0.0 if response.status_code < 400 else failing or unanswered
        unanswered = 0.0
        wait, reset = response.headers.get("retry-after", ""), response.headers.get("ratelimit", "")
        waits = [int(wait)] if wait.strip().isdigit() else []
        waits += [int(match[1]) for match in _RESET.finditer(reset) if response.status_code == 429]
        if response.status_code >= 400 and max(waits, default=0) > PATIENCE:
            raise _Waited(f"status {response.status_code}, it asks to wait for {max(waits):,} seconds")

    hooks["request"].append(before)
    hooks["response"].append(after)
    try:
        yield
    finally:
        hooks["request"].remove(before)
        hooks["response"].remove(after)


def _refusal(error: BaseException, name: str, settings: Mapping[str, Any]) -> Refused:
    """Says why a file could not be had."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    revision, folder = settings.get("revision"), settings.get("cache_dir") or constants.HF_HUB_CACHE
    chain = _chain(error)
    status = next((code for code in map(_status, chain) if code), 0)
    full = next((each for each in chain if getattr(each, "errno", None) in _NO_PLACE), None)
    if isinstance(full, OSError):
        return Refused(f"{name} cannot be kept in {folder}: {full.strerror} (see cache_dir)")
    local = isinstance(error, LocalEntryNotFoundError)
    waited = next((each for each in chain if isinstance(each, _Waited)), None)
    if waited:
        return Refused(f"{name} was not downloaded, since the Hub is busy ({waited}): try again later")
    if any(isinstance(each, GatedRepoError) for each in chain):
        return Refused("a gated repository: ask for access on its page and pass a token")
    if any(isinstance(each, RepositoryNotFoundError) for each in chain):
        return Refused("neither a folder nor a repository on the Hub, or a private one without a valid token")
    if any(isinstance(each, RevisionNotFoundError) for each in chain):
        return Refused(f"has no revision {revision!r}")
    if isinstance(error, EntryNotFoundError) and not local:
        return MissingFile(f"has no {name}")
    if status:
        said = "the Hub has a problem: try again later" if status >= 500 else _STATUSES.get(status)
        return Refused(f"{name} was not downloaded: {said or 'the Hub refused it'} (status {status})")
    if local and (len(chain) == 1 or isinstance(chain[-1], OfflineModeIsEnabled)):
        return Refused(f"{name} was not downloaded before, and the Hub may not be asked (offline)")
    if local:
        reason = _said(chain[1])
        return Refused(
            f"{name} was not downloaded before, and the Hub cannot be reached: check the network ({reason})"
        )
    if isinstance(error, ValueError):  # unusable arguments; force_download wraps any of the above in it
        cause = error.__cause__
        return _refusal(cause, name, settings) if cause else Refused(_said(error, plain=True))
    if isinstance(error, OfflineModeIsEnabled):
        return Refused(f"{name} cannot be downloaded in offline mode")
    return Refused(f"download of {name} failed ({_said(error)}); run it again")


def _chain(error: BaseException) -> list[BaseException]:
    """Returns an error and what it was raised from."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    return chain


def _status(error: BaseException) -> int:
    return int(getattr(getattr(error, "response", None), "status_code", 0) or 0)


def _said(error: BaseException, *, plain: bool = False) -> str:
    text = " ".join(str(error).split())
    return text if plain and text else f"{type(error).__name__}: {text}"
