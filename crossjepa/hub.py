"""Where weights come from and go to: bundled files, folders, and the Hugging Face Hub."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

from crossjepa.config import ModelConfig
from crossjepa.download import download
from crossjepa.errors import WeightsError
from crossjepa.file_sets import file_of_set, reading
from crossjepa.hashing import file_digest
from crossjepa.model_card import model_card
from crossjepa.model_header import CONFIG_NAME, PREDICTOR_NAME, WEIGHTS_NAME
from crossjepa.registry import CHECKPOINTS

if TYPE_CHECKING:
    from typing_extensions import Unpack

CARD_NAME = "README.md"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class HubOptions(TypedDict, total=False):
    """How to download; all of it is optional.

    Attributes:
        revision: branch, tag or commit on the Hub.
        cache_dir: folder of downloads, the Hub client's own by default.
        token: access token for private repositories; True for the stored one.
        local_files_only: use only what has been downloaded before.
        force_download: download again.
    """

    revision: str | None
    cache_dir: str | os.PathLike[str] | None
    token: str | bool | None
    local_files_only: bool
    force_download: bool


class PushOptions(TypedDict, total=False):
    """How to upload; all of it is optional.

    Attributes:
        token: access token with the right to write; the stored one by default.
        private: whether a new repository is private.
        revision: branch to commit to.
        commit_message: message of the commit.
    """

    token: str | bool | None
    private: bool
    revision: str | None
    commit_message: str


def locate(name: str | os.PathLike[str], *, predictor: bool = False, **options: Unpack[HubOptions]) -> Path:
    """Returns the folder with config.json and model.safetensors, downloading it if needed.

    Bundled files are compared with the checksums of the registry, downloaded ones with those that the Hub
    announced. A Hub that does not answer is asked again for about a minute; a download that goes on is never
    broken off.

    Args:
        name: a registered name, a folder, or an "org/repo" on the Hub.
        predictor: whether predictor.safetensors must be there, too.
        **options: how to download, see `HubOptions`.

    Raises:
        WeightsError: there are no weights of that name, or the bundled ones are damaged.
    """
    unknown = sorted(set(options) - set(HubOptions.__annotations__))
    if unknown:
        raise TypeError(f"unexpected options {unknown}; known are {sorted(HubOptions.__annotations__)}")
    text = os.path.expanduser(os.fsdecode(name))  # noqa: PTH111
    files = (CONFIG_NAME, PREDICTOR_NAME, WEIGHTS_NAME) if predictor else (CONFIG_NAME, WEIGHTS_NAME)
    bundled = CHECKPOINTS.get(text)
    if bundled or (text and os.path.isdir(text)):  # noqa: PTH112  # which takes names of any length
        if options.get("revision") is not None:
            kind = "comes with the package" if bundled else "is a folder"
            raise WeightsError(text, f"{kind} and has no revisions")
        folder = bundled.folder if bundled else Path(text)
        with reading(folder):
            missing = [file for file in files if not _is_file(folder, file)]
        if missing:
            reason = f"has no {missing[0]}"
            raise WeightsError(folder, no_predictor(reason) if missing[0] == PREDICTOR_NAME else reason)
        sums = {WEIGHTS_NAME: bundled.sha256, PREDICTOR_NAME: bundled.predictor_sha256} if bundled else {}
        for file in set(files) & set(sums):
            if file_digest(folder / file) != sums[file]:
                raise WeightsError(
                    folder / file, f"damaged: its SHA-256 is not {sums[file]}; reinstall crossjepa"
                )
        return folder
    if os.path.isfile(text) or text.endswith((".safetensors", ".json", ".bin", ".pt")):  # noqa: PTH113
        kind = "is a file" if os.path.isfile(text) else "no such file"  # noqa: PTH113
        raise WeightsError(text, f"{kind}: give the folder that holds {CONFIG_NAME} and {WEIGHTS_NAME}")
    if not _HUB_ID.fullmatch(text):
        raise WeightsError(text, f"neither a folder, nor an org/repo, nor one of {sorted(CHECKPOINTS)}")
    return download(text, files, options, _lacks)


def _is_file(folder: Path, name: str) -> bool:
    try:
        return file_of_set(folder, name).is_file()
    except OSError as error:
        raise WeightsError(folder, f"cannot be read ({error.strerror})") from error


def no_predictor(reason: str) -> str:
    """Says that weights are those of an encoder alone."""
    return f"these weights have no predictor: {reason}; CrossJEPAEncoder loads the encoder alone"


def _lacks(name: str) -> str:
    """Says that a repository has no file of that name."""
    reason = f"has no {name}"
    return no_predictor(reason) if name == PREDICTOR_NAME else f"not in crossjepa's format: {reason}"


class Savable(Protocol):
    """A model that writes itself to a folder."""

    @property
    def model_config(self) -> ModelConfig:
        """All of config.json."""

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes config.json and the weights."""


def push(
    model: Savable,
    repo: str,
    *,
    token: str | bool | None = None,
    private: bool = False,
    revision: str | None = None,
    commit_message: str = "Upload crossjepa weights",
) -> str:
    """Uploads a model and its card to a Hub repository, which is created if it does not exist.

    As in a folder, the predictor of an older release is removed if the new one has none. The options are
    those of `PushOptions`.

    Returns:
        The address of the commit.
    """
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        card = model_card(model.model_config, repo)
        (Path(folder) / CARD_NAME).write_text(card, encoding="utf-8")
        api = HfApi(token=token)
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            revision=revision,
            commit_message=commit_message,
            allow_patterns=[CONFIG_NAME, WEIGHTS_NAME, PREDICTOR_NAME, CARD_NAME],
            delete_patterns=None if (Path(folder) / PREDICTOR_NAME).is_file() else [PREDICTOR_NAME],
        )
    return str(commit.commit_url)
