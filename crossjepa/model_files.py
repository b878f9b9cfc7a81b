"""config.json and *.safetensors: read strictly and without pickle, written completely or not at all."""

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save
from torch import Tensor, nn

from crossjepa.config import ModelConfig
from crossjepa.errors import WeightsError
from crossjepa.file_sets import file_of_set, reading, replacing
from crossjepa.files import atomic_write, write_json
from crossjepa.model_header import CONFIG_NAME as CONFIG_NAME
from crossjepa.model_header import PREDICTOR_NAME as PREDICTOR_NAME
from crossjepa.model_header import WEIGHTS_NAME as WEIGHTS_NAME
from crossjepa.model_header import opened, stored_shapes
from crossjepa.model_header import read_config as read_config

_BLOCK = re.compile(r"blocks\.(\d{1,9})\.")
_Module = TypeVar("_Module", bound=nn.Module)


def load_model(folder: Path, make: Callable[[ModelConfig], _Module], parts: Mapping[str, str]) -> _Module:
    """Builds the network of a folder's config.json and fills it, completely or not at all.

    Args:
        folder: the folder.
        make: builds the network of a config. It has no storage until the files are known to fit, and is built
            only if they have its blocks: a wrong config costs neither memory nor time.
        parts: name of the part of the network that each file fills, "" for all of it.

    Raises:
        WeightsError: a file is damaged or does not match the config; the message says which and why.
    """
    with reading(folder):
        config = read_config(folder)
        depths = {WEIGHTS_NAME: config.encoder.depth}
        if config.predictor:
            depths[PREDICTOR_NAME] = config.predictor.network.depth
        for name in parts.keys() & depths.keys():
            path = file_of_set(folder, name)
            blocks = {match[1] for match in map(_BLOCK.match, stored_shapes(path)) if match}
            if len(blocks) != depths[name]:
                found = f"{len(blocks)} blocks, but {CONFIG_NAME} says depth {depths[name]}"
                raise WeightsError(path, f"holds the tensors of {found}")
        try:
            with torch.device("meta"):
                model = make(config)
        except WeightsError:
            raise
        except Exception as error:  # torch refuses impossible sizes in many ways
            path = file_of_set(folder, CONFIG_NAME)
            raise WeightsError(path, f"no network can be built of it ({error})") from error
        for name, part in parts.items():
            _load_weights(model.get_submodule(part), file_of_set(folder, name))
    return model


def _load_weights(module: nn.Module, path: Path) -> None:
    """Fills a module from a file; it is on the CPU afterwards.

    Names and shapes are compared before anything is read; floating-point tensors are converted to the
    module's dtype.
    """
    expected = module.state_dict()
    mismatch = compare_shapes(
        stored_shapes(path), {name: tuple(value.shape) for name, value in expected.items()}
    )
    if mismatch:
        raise WeightsError(path, mismatch)
    with opened(path, "pt") as file:
        loaded = {name: _tensor(file, name, expected[name], path) for name in expected}
    module.load_state_dict(loaded, strict=True, assign=True)


def _tensor(file: Any, name: str, expected: Tensor, path: Path) -> Tensor:
    """Returns a tensor of a file in the type that the module expects."""
    try:
        found: Tensor = file.get_tensor(name)
        is_same_kind = _kind(found) == _kind(expected)
        converted = found.to(expected.dtype) if is_same_kind else found
    except Exception as error:  # of types that torch lacks, or cannot convert
        stored = file.get_slice(name).get_dtype()
        raise WeightsError(path, f"{name} is stored as {stored} and cannot be read ({error})") from error
    if not is_same_kind:
        raise WeightsError(path, f"{name} is {found.dtype}, expected {expected.dtype}")
    if not torch.isfinite(converted).all():
        raise WeightsError(path, f"{name} holds values that are not finite as {expected.dtype}")
    return converted


def _kind(tensor: Tensor) -> str:
    if tensor.is_floating_point():
        return "float"
    return "complex" if tensor.is_complex() else "bool" if tensor.dtype == torch.bool else "int"


def compare_shapes(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> str:
    """Says how the shapes of a file's tensors differ from those of a module; "" if they do not."""
    problems = []
    for title, names in (
        ("missing", expected.keys() - found.keys()),
        ("unexpected", found.keys() - expected.keys()),
    ):
        if names:
            shown = ", ".join(name[:80] for name in sorted(names)[:5])
            problems.append(f"{len(names)} tensors {title}: {shown}")
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
    """Writes config.json, model.safetensors and, if there is a predictor, predictor.safetensors.

    They replace the files of an older model together, even if the process is killed: whoever loads the folder
    gets all of the old model or all of the new one. Same tensors, same bytes. The folder is created if it
    does not exist; the predictor of an older release in it is removed.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    states = {WEIGHTS_NAME: state} | ({} if predictor is None else {PREDICTOR_NAME: predictor})
    _replace(target, states, config, remove=[PREDICTOR_NAME] if predictor is None else [])


def save_predictor(
    folder: str | os.PathLike[str], predictor: Mapping[str, Tensor], config: ModelConfig
) -> None:
    """Writes config.json and predictor.safetensors beside a model.safetensors that stays as it is."""
    _replace(Path(folder), {PREDICTOR_NAME: predictor}, config)


def save_config(folder: str | os.PathLike[str], config: ModelConfig) -> None:
    """Writes config.json beside weights that stay as they are."""
    _replace(Path(folder), {}, config)


def _replace(
    target: Path,
    states: Mapping[str, Mapping[str, Tensor]],
    config: ModelConfig,
    remove: list[str] | None = None,
) -> None:
    try:
        with replacing(target, remove or []) as staged:
            for name, state in states.items():
                _write_tensors(staged / name, state)
            write_json(staged / CONFIG_NAME, config.to_dict())
    except OSError as error:
        if error.errno is not None:  # such as a full disk; the name of a temporary file says little
            raise OSError(error.errno, error.strerror, os.fspath(target)) from error
        raise


def _write_tensors(path: Path, state: Mapping[str, Tensor]) -> None:
    tensors = {name: value.detach().to("cpu").contiguous() for name, value in state.items()}
    content = save(tensors, metadata={"format": "pt"})  # a second entry would come in random order
    atomic_write(path, lambda file: file.write(content))


def weights_digest(module: nn.Module) -> str:
    """Returns the SHA-256 of the names, dtypes, shapes and bytes of all tensors of a module."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        content = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {content.dtype} {tuple(content.shape)}\n".encode())
        digest.update(content.flatten().view(torch.uint8).numpy().tobytes())  # numpy has no bfloat16
    return digest.hexdigest()
