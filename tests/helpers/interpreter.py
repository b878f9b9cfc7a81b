"""Triton's interpreter, which runs kernels on the CPU, and other Pythons of their own."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys

import numpy as np

from tests.conftest import REPOSITORY


def why_not_interpreted() -> str:
    """Returns why the interpreter cannot run; empty if it can."""
    try:
        version = importlib.metadata.version("triton")
    except importlib.metadata.PackageNotFoundError:
        return "Triton is not installed"
    is_old = tuple(map(int, version.split(".")[:2])) < (3, 7)
    if is_old and np.lib.NumpyVersion(np.__version__) >= "2.4.0":
        return f"the interpreter of Triton {version} does not work with NumPy {np.__version__}"
    return ""


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in the repository, with this environment less the variables of Triton."""
    before = {name: value for name, value in os.environ.items() if not name.startswith("TRITON")}
    return subprocess.run(
        [sys.executable, *arguments], env={**before, **environment}, cwd=REPOSITORY,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
