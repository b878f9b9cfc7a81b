"""config.json and *.safetensors: read strictly and without pickle, written completely or not at all."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from crossjepa.config import ModelConfig
from crossjepa.errors import WeightsError
from crossjepa.files import atomic_write, write_json

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
PREDICTOR_NAME = "predictor.safetensors"


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
    converted to the module's dtype. The module may be on the meta device, and is on the CPU afterwards.

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
        raise WeightsError(path, f"not a complete safetensors file ({error})") from error
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
    """Says how the shapes of a file's tensors differ from those of a module; "" if they do not."""
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
    """Writes config.json, model.safetensors and, if there is a predictor, predictor.safetensors.

    All of them are written completely or none is; same tensors, same bytes. The folder is created if it does
    not exist; the predictor of an older release in it is removed.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    states = {WEIGHTS_NAME: state} | ({} if predictor is None else {PREDICTOR_NAME: predictor})
    _replace(target, states, config)
    if predictor is None:
        (target / PREDICTOR_NAME).unlink(missing_ok=True)


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
