"""ONNX files of models, and what onnxruntime makes of clouds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa import CrossJEPAEncoder
from crossjepa.export import Output, export_onnx
from crossjepa.export.onnx import FIRST_TORCH


def need_onnx() -> None:
    """Skips a test if the extra `onnx` is not installed, or torch is too old to export."""
    for name in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(name, reason=f"{name}, of the extra `onnx`, is not installed")
    if torch.__version__ < FIRST_TORCH:
        pytest.skip(f"torch exports loops to ONNX from {FIRST_TORCH} on")


def onnx_file(encoder: CrossJEPAEncoder, folder: Path, output: Output | None = None) -> Path:
    """Exports an encoder to model.onnx in a folder."""
    need_onnx()
    path = folder / "model.onnx"
    export_onnx(encoder, path, output=output)
    return path


def session_of(path: Path) -> Any:
    """Opens an ONNX file as a user without this package does."""
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def largest_difference(found: NDArray[np.float32], expected: Tensor) -> float:
    """Compares what onnxruntime returned with torch; shapes must be the same."""
    assert found.shape == tuple(expected.shape)
    return float(np.abs(found - expected.numpy()).max())
