"""config.json and *.safetensors: read strictly and without pickle, written completely or not at all."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from crossjepa.config import ModelConfig
from crossjepa.errors import WeightsError
from crossjepa.file_sets import file_of_set, reading, replacing
from crossjepa.files import atomic_write, write_json

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
PREDICTOR_NAME = "predictor.safetensors"

MOST_CONFIG_BYTES = 16 << 20

_LFS = b"version https://git-lfs"
_BLOCK = re.compile(r"blocks\.(\d{1,9})\.")
_Module = TypeVar("_Module", bound=nn.Module)


def read_config(folder: Path) -> ModelConfig:
    """Reads config.json.

    Raises:
        WeightsError: it is not JSON or does not describe a crossjepa model.
    """
    path = file_of_set(folder, CONFIG_NAME)
    try:
        size = path.stat().st_size
        if size > MOST_CONFIG_BYTES:
            raise ValueError(f"{size:,} bytes are too many for a config, {MOST_CONFIG_BYTES:,} the most")
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, Mapping):
            raise ValueError("not a JSON object")
        config = ModelConfig.from_dict(values)
        json.dumps(config.to_dict())  # as nested as it can be written again
    except RecursionError as error:
        raise WeightsError(path, "nested too deeply") from error
    except (ValueError, TypeError) as error:
        raise WeightsError(path, _lfs_pointer(path) or str(error)) from error
    except OSError as error:
        raise WeightsError(path, f"cannot be read ({error.strerror or error})") from error
    return config


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
            blocks = {match[1] for match in map(_BLOCK.match, _stored_shapes(path)) if match}
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
        _stored_shapes(path), {name: tuple(value.shape) for name, value in expected.items()}
    )
    if mismatch:
        raise WeightsError(path, mismatch)
    with _opened(path) as file:
        loaded = {name: _tensor(file, name, expected[name], path) for name in expected}
    module.load_state_dict(loaded, strict=True, assign=True)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    name, handle = os.fspath(path), None
    try:
        if not name.isascii() and name.encode(errors="replace").decode() != name:
            handle = os.open(path, os.O_RDONLY)  # safetensors takes no name that is not UTF-8
            name = f"/dev/fd/{handle}"
        with safe_open(name, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(
            path, _lfs_pointer(path) or f"not a complete safetensors file ({error})"
        ) from error
    finally:
        if handle is not None:
            os.close(handle)


def _lfs_pointer(path: Path) -> str:
    """Says that a file was left in the store of Git LFS; "" if it was not, or cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        if file.read(len(_LFS)) == _LFS:
            return "is a pointer of Git LFS, not the file itself: fetch that by `git lfs pull`"
    return ""


def _stored_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all tensors of a file by name; reads only its header."""
    with _opened(path) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


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
