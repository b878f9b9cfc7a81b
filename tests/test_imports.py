"""Inside functions only what is optional or heavy is imported; at the top nothing that Windows lacks."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import crossjepa
from tests.conftest import REPOSITORY

PACKAGE = Path(crossjepa.__file__).parent
# Third-party libraries that are optional or that take long to import.
OPTIONAL_OR_HEAVY = {
    "PIL", "h5py", "huggingface_hub", "joblib", "lancedb", "laspy", "matplotlib", "onnx", "onnxruntime",
    "onnxscript", "plotly", "pyarrow", "ray", "safetensors", "sklearn", "timm", "tqdm", "triton", "tyro",
    "umap", "wandb", "yaml",
}  # fmt: skip
# Of the standard library and of torch, what other systems or smaller builds of torch lack.
NOT_EVERYWHERE = {"fcntl", "resource", "torch.distributed", "torch.utils.tensorboard"}
# The command line imports what a command needs when it is called.
LAZY_FOLDERS = (PACKAGE / "cli",)


def imports_inside_functions(path: Path) -> Iterator[tuple[int, str]]:
    """Yields line and module name."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield from ((node.lineno, alias.name) for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    yield node.lineno, node.module or ""


def test_functions_import_only_what_is_optional_or_heavy() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, name in imports_inside_functions(path):
            is_own = name.split(".")[0] == "crossjepa"
            if is_own and (path == PACKAGE / "__init__.py" or path.parent in LAZY_FOLDERS):
                continue
            if (
                path.parent in LAZY_FOLDERS
                or name.split(".")[0] in OPTIONAL_OR_HEAVY
                or name in NOT_EVERYWHERE
            ):
                continue
            wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {name} inside a function")
    assert not wrong, "\n".join(sorted(set(wrong)))


WITHOUT_POSIX = """
import importlib, os, sys

for name in ("resource", "fcntl", "termios", "pwd", "grp"):
    sys.modules[name] = None  # importing it raises ImportError
for name in ("fork", "forkpty", "geteuid", "getuid", "mkfifo"):
    if hasattr(os, name):
        delattr(os, name)
failed = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed.append(f"{name}: {type(error).__name__}: {error}")
print("\\n".join(failed), end="")
"""


def all_modules() -> list[str]:
    found = pkgutil.walk_packages([str(PACKAGE)], "crossjepa.")
    return ["crossjepa", *(one.name for one in found if not one.name.endswith("__main__"))]


def test_every_module_can_be_imported_on_windows() -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX, *all_modules()],
        capture_output=True, text=True, check=False, cwd=REPOSITORY,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (0, ""), result.stdout + result.stderr
