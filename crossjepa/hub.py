"""Weights in and out: bundled files, folders, and the Hugging Face Hub; strict, and without pickle."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from crossjepa.config import ModelConfig
from crossjepa.files import atomic_write, write_json
from crossjepa.registry import CHECKPOINTS

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
PREDICTOR_NAME = "predictor.safetensors"
CARD_NAME = "README.md"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class WeightsError(OSError):
    """Weights that cannot be found or do not fit; the message names them and the reason."""

    def __init__(self, source: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(source)}: {reason}")
        self.source = os.fspath(source)
        self.reason = reason

    def __reduce__(self) -> tuple[type[WeightsError], tuple[str, str]]:
        """Lets the error travel between processes."""
        return type(self), (self.source, self.reason)


def locate(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    predictor: bool = False,
) -> Path:
    """Finds the folder with config.json and model.safetensors, downloading it where needed.

    Args:
        name: a registered name, a folder, or an "org/repo" on the Hub.
        revision: branch, tag or commit on the Hub.
        cache_dir: folder of downloads, the Hub client's own by default.
        token: access token for private repositories; True for the stored one.
        local_files_only: use only what has been downloaded before.
        force_download: download again.
        predictor: whether predictor.safetensors must be there, too.

    Returns:
        The folder.

    Raises:
        WeightsError: nothing of that name can be had.
    """
    text = os.fspath(name)
    files = (CONFIG_NAME, PREDICTOR_NAME, WEIGHTS_NAME) if predictor else (CONFIG_NAME, WEIGHTS_NAME)
    if text in CHECKPOINTS:
        if revision is not None:
            raise WeightsError(text, "comes with the package and has no revisions")
        return _complete(CHECKPOINTS[text].folder, files)
    if text and Path(text).is_dir():
        if revision is not None:
            raise WeightsError(text, "is a folder and has no revisions")
        return _complete(Path(text), files)
    if not _HUB_ID.fullmatch(text):
        raise WeightsError(text, f"neither a folder, nor an org/repo, nor one of {sorted(CHECKPOINTS)}")
    cache = None if cache_dir is None else Path(cache_dir)
    return _download(text, files, revision, cache, token, local_files_only, force_download)


def no_predictor(reason: str) -> str:
    """Says that weights are those of an encoder alone."""
    return f"these weights have no predictor: {reason}; CrossJEPAEncoder loads the encoder alone"


def _complete(folder: Path, files: Sequence[str]) -> Path:
    for name in files:
        if not (folder / name).is_file():
            reason = f"has no {name}"
            raise WeightsError(folder, no_predictor(reason) if name == PREDICTOR_NAME else reason)
    return folder


def _download(
    repo: str,
    files: Sequence[str],
    revision: str | None,
    cache_dir: Path | None,
    token: str | bool | None,
    local_files_only: bool,
    force_download: bool,
) -> Path:
    from huggingface_hub import hf_hub_download

    path, commit = "", revision
    for name in files:
        try:
            path = hf_hub_download(
                repo, name, revision=commit, cache_dir=cache_dir, token=token,
                local_files_only=local_files_only, force_download=force_download,
            )  # fmt: skip
        except Exception as error:  # of the client, or of its HTTP library, which depends on its version
            raise WeightsError(repo, _failure(error, name, revision)) from error
        # The weights come from the commit of the config, so that a push in between cannot mix two versions.
        commit = Path(path).parent.name
    return Path(path).parent


def _failure(error: BaseException, name: str, revision: str | None) -> str:
    """Says why a file of a repository could not be downloaded."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, LocalEntryNotFoundError):
        return f"{name} was not downloaded before, and the Hub cannot be asked ({error})"
    if isinstance(error, GatedRepoError):
        return "a gated repository: ask for access on its page and pass a token"
    if isinstance(error, RepositoryNotFoundError):
        return "neither a folder nor a repository on the Hub, or a private one without a valid token"
    if isinstance(error, RevisionNotFoundError):
        return f"has no revision {revision!r}"
    if isinstance(error, EntryNotFoundError) and name == PREDICTOR_NAME:
        return no_predictor(f"has no {name}")
    if isinstance(error, EntryNotFoundError):
        return f"not in crossjepa's format: has no {name}"
    if isinstance(error, ValueError):  # unusable arguments; force_download wraps any of the above in it
        return _failure(error.__cause__, name, revision) if error.__cause__ else str(error)
    return f"download of {name} failed ({error!r}); run it again"


def read_config(folder: Path) -> ModelConfig:
    """Reads config.json.

    Raises:
        WeightsError: it is not JSON or does not describe a crossjepa model.
    """
    path = folder / CONFIG_NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, Mapping):
            raise ValueError("not a JSON object")
        return ModelConfig.from_dict(values)
    except (ValueError, TypeError) as error:
        raise WeightsError(path, str(error)) from error


def load_weights(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Fills a module from a safetensors file, completely or not at all.

    Names and shapes are compared with the module before anything is read; floating-point tensors are
    converted to the module's dtype.

    Args:
        module: the module to fill; it may be on the meta device, and is on the CPU afterwards.
        path: the file.

    Raises:
        WeightsError: the file is damaged, or names or shapes do not match; the message lists them.
    """
    expected = module.state_dict()
    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            mismatch = compare_shapes(shapes, {name: tuple(value.shape) for name, value in expected.items()})
            if mismatch:
                raise WeightsError(path, mismatch)
            loaded = {name: _tensor(file.get_tensor(name), expected[name], name, path) for name in expected}
    except SafetensorError as error:
        raise WeightsError(path, f"not a whole safetensors file ({error})") from error
    module.load_state_dict(loaded, strict=True, assign=True)


def _tensor(found: Tensor, expected: Tensor, name: str, path: str | os.PathLike[str]) -> Tensor:
    """Returns a tensor of a file in the type that the module expects."""
    if found.is_floating_point() != expected.is_floating_point():
        raise WeightsError(path, f"{name} is {found.dtype}, expected {expected.dtype}")
    converted = found.to(expected.dtype)
    if not torch.isfinite(converted).all():
        raise WeightsError(path, f"{name} holds values that are not finite as {expected.dtype}")
    return converted


def compare_shapes(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> str:
    """Says how the shapes of a file's tensors differ from those of a module; "" when they do not."""
    problems = []
    for title, names in (
        ("missing", expected.keys() - found.keys()),
        ("unexpected", found.keys() - expected.keys()),
    ):
        if names:
            problems.append(f"{len(names)} tensors {title}: {', '.join(sorted(names)[:5])}")
    wrong = [name for name in expected if name in found and found[name] != expected[name]]
    if wrong:
        shown = ", ".join(f"{name} {found[name]}, expected {expected[name]}" for name in wrong[:5])
        problems.append(f"{len(wrong)} tensors of another shape: {shown}")
    return "; ".join(problems)


def converted(state: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Returns tensors with those of floating point in another type; None leaves them as they are."""
    if dtype is None:
        return dict(state)
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}


def save_weights(
    folder: str | os.PathLike[str],
    state: Mapping[str, Tensor],
    config: ModelConfig,
    predictor: Mapping[str, Tensor] | None = None,
) -> None:
    """Writes config.json, model.safetensors and, where there is a predictor, predictor.safetensors.

    All of them are written whole or none is; same tensors, same bytes.

    Args:
        folder: where to; made when it is not there. The predictor of an older release in it goes away.
        state: the tensors of the encoder by name.
        config: what describes them.
        predictor: the tensors of the predictor by name.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    if predictor is None:
        _replace(target, {WEIGHTS_NAME: state}, config)
        (target / PREDICTOR_NAME).unlink(missing_ok=True)
    else:
        _replace(target, {WEIGHTS_NAME: state, PREDICTOR_NAME: predictor}, config)


def save_predictor(
    folder: str | os.PathLike[str], predictor: Mapping[str, Tensor], config: ModelConfig
) -> None:
    """Writes config.json and predictor.safetensors beside a model.safetensors that stays as it is."""
    _replace(Path(folder), {PREDICTOR_NAME: predictor}, config)


def _replace(target: Path, states: Mapping[str, Mapping[str, Tensor]], config: ModelConfig) -> None:
    with tempfile.TemporaryDirectory(dir=target, prefix=".partial-") as staged:
        for name, state in states.items():
            _write_tensors(Path(staged) / name, state)
        write_json(Path(staged) / CONFIG_NAME, config.to_dict())
        for name in (*states, CONFIG_NAME):
            (Path(staged) / name).replace(target / name)


def _write_tensors(path: Path, state: Mapping[str, Tensor]) -> None:
    tensors = {name: value.detach().to("cpu").contiguous() for name, value in state.items()}
    content = save(tensors, metadata={"format": "pt"})  # a second entry would come in random order
    atomic_write(path, lambda file: file.write(content))


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
    message: str = "Upload crossjepa weights",
) -> str:
    """Uploads a model and its card to a Hub repository, which is made when it is not there.

    As in a folder, the predictor of an older release goes away where the new one has none.

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
            commit_message=message,
            allow_patterns=[CONFIG_NAME, WEIGHTS_NAME, PREDICTOR_NAME, CARD_NAME],
            delete_patterns=None if (Path(folder) / PREDICTOR_NAME).is_file() else [PREDICTOR_NAME],
        )
    return str(commit.commit_url)


def model_card(config: ModelConfig, repo: str) -> str:
    """Writes the README.md of a Hub repository from the provenance in the config."""
    license = str(config.provenance.get("license", "")).lower()
    front = ["---", "library_name: crossjepa", "pipeline_tag: feature-extraction"]
    front += [f"license: {license}"] if license else []
    front += ["tags: [point-cloud, 3d, self-supervised, crossjepa]", "---"]
    usage = [
        f"# {repo.split('/')[-1]}",
        "",
        "A [crossjepa](https://pypi.org/project/crossjepa/) point-cloud encoder.",
        "",
        "```python",
        "import crossjepa",
        "",
        f'encoder = crossjepa.CrossJEPAEncoder.from_pretrained("{repo}")',
        'features = encoder.encode(["chair.obj"])  # (1, ' + _feature_width(config) + ") float32",
        *_prediction_usage(config, repo),
        "```",
        "",
        "| | |",
        "|---|---|",
    ]
    rows = [f"| {name.replace('_', ' ')} | {_plain(value)} |" for name, value in config.provenance.items()]
    return "\n".join([*front, "", *usage, *rows, ""])


def _prediction_usage(config: ModelConfig, repo: str) -> list[str]:
    """Returns the lines of the example that need a predictor."""
    if config.predictor is None:
        return []
    return [
        "",
        f'model = crossjepa.CrossJEPA.from_pretrained("{repo}")',
        'cloud_N3 = model.encoder.preprocess("chair.obj")',
        f"# what {config.predictor.teacher} would make of a picture from the front",
        "embedding = model.predict_view(cloud_N3[None], azimuth=0, elevation=20)  # (1, "
        f"{config.predictor.network.target_width}) float32",
    ]


def _feature_width(config: ModelConfig) -> str:
    return str(config.encoder.width * (2 if config.encoder.pool == "max+mean" else 1))


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_plain(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value)
    return str(value).replace("|", "\\|").replace("\n", " ")
