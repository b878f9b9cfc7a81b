"""What a model's files say before any tensor is read: config.json, names and shapes; needs no torch."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from crossjepa.config import ModelConfig
from crossjepa.errors import WeightsError
from crossjepa.file_sets import file_of_set

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
PREDICTOR_NAME = "predictor.safetensors"

MOST_CONFIG_BYTES = 16 << 20

_LFS = b"version https://git-lfs"


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


@contextmanager
def opened(path: Path, framework: str) -> Iterator[Any]:
    """Opens a file of tensors.

    Args:
        path: the file.
        framework: "pt" to read tensors of torch, "np" to read its header without torch.

    Raises:
        WeightsError: it is damaged, or cannot be read.
    """
    name, handle = os.fspath(path), None
    try:
        if not name.isascii() and name.encode(errors="replace").decode() != name:
            handle = os.open(path, os.O_RDONLY)  # safetensors takes no name that is not UTF-8
            name = f"/dev/fd/{handle}"
        with safe_open(name, framework=framework) as file:
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


def stored_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all tensors of a file by name; reads only its header."""
    with opened(path, "np") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
