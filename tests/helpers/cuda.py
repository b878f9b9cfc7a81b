"""Where the tests of a GPU run: on one, or on the CPU to try the tests themselves."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from crossjepa import CrossJEPAEncoder, ModelConfig
from crossjepa.config import NAMED_SIZES
from tests.conftest import SAMPLES
from tests.helpers.encoders import clouds

# CROSSJEPA_CUDA_TESTS_DEVICE=cpu runs all but what makes no sense there.
DEVICE = os.environ.get("CROSSJEPA_CUDA_TESTS_DEVICE", "cuda")
ON_GPU = torch.device(DEVICE).type == "cuda"
FILES = sorted(SAMPLES.glob("*.obj"))

needs_device = pytest.mark.skipif(
    ON_GPU and not torch.cuda.is_available(), reason="torch sees no NVIDIA GPU on this machine"
)
needs_gpu = pytest.mark.skipif(
    not (ON_GPU and torch.cuda.is_available()), reason="means nothing without an NVIDIA GPU"
)
# For `pytestmark` of a file of tests.
ON_DEVICE = [pytest.mark.cuda, needs_device]


def base_sized() -> CrossJEPAEncoder:
    """Returns an encoder of the base size on the CPU, with random weights and used batch norms."""
    torch.manual_seed(0)
    encoder = CrossJEPAEncoder(ModelConfig(encoder=NAMED_SIZES["crossjepa-base"]))
    with torch.no_grad():
        encoder.train()(clouds(4, 1024))
    return encoder.eval()


def relative_error(found: object, expected: object) -> float:
    """Returns the norm of the difference over that of what is expected, in float64."""
    found_X, expected_X = (
        torch.as_tensor(np.array(values) if isinstance(values, np.ndarray) else values)
        .detach()
        .double()
        .cpu()
        for values in (found, expected)
    )
    assert found_X.shape == expected_X.shape
    error = float((found_X - expected_X).norm() / expected_X.norm().clamp_min(1e-30))
    return error if np.isfinite(error) else float("inf")
