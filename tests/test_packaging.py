"""What pyproject.toml says is true: dependencies, extras, lower bounds, and what the package holds."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import crossjepa
from tests.conftest import REPOSITORY

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = Path(crossjepa.__file__).parent
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
CORE: list[str] = PROJECT["dependencies"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
# What a distribution is imported as, if not by its own name.
IMPORTED_AS = {
    "PyYAML": "yaml",
    "Pillow": "PIL",
    "scikit-learn": "sklearn",
    "umap-learn": "umap",
    "tensorboard": "torch.utils.tensorboard",
}
# Brought by torch: for types only, and by its CUDA builds, which pin the version of it that they work with.
BROUGHT_BY_TORCH = ("typing_extensions", "triton")
USER_EXTRAS = ("data", "eval", "las", "log", "search", "onnx", "scale", "ray", "view", "umap")
# Plugins and command-line tools, which nothing imports.
TOOLS = {
    "docs": {"mkdocs", "mkdocs-material", "mkdocstrings", "ruff"},
    "test": {"pytest-xdist"},
    "dev": {
        "ruff", "mypy", "types-PyYAML", "types-tqdm", "import-linter", "build", "twine", "pre-commit"
    },
}  # fmt: skip


def requirements(lines: list[str]) -> list[Requirement]:
    """Returns the requirements of an extra, less those that name other extras of this package."""
    return [one for one in map(Requirement, lines) if one.name != "crossjepa"]


def module_of(requirement: Requirement) -> str:
    return IMPORTED_AS.get(requirement.name, requirement.name)


def imports(folder: Path) -> Iterator[tuple[Path, str, bool]]:
    """Yields file, module, and whether the import waits or may fail: in a function or a try, or for types."""
    for path in sorted(folder.rglob("*.py")):
        yield from _imports(path, ast.parse(path.read_text(encoding="utf-8")), lazy=False)


def _imports(path: Path, node: ast.AST, lazy: bool) -> Iterator[tuple[Path, str, bool]]:
    if isinstance(node, ast.Import):
        yield from ((path, alias.name, lazy) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{path}: relative import"
        yield path, node.module or "", lazy
    lazy = (
        lazy
        or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Try))
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    )
    for child in ast.iter_child_nodes(node):
        yield from _imports(path, child, lazy)


def is_within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def third_party(folder: Path) -> list[tuple[Path, str, bool]]:
    own = {*sys.stdlib_module_names, "crossjepa", "tests"}
    return [entry for entry in imports(folder) if entry[1].split(".")[0] not in own]


def test_what_the_package_imports_is_declared() -> None:
    core = [module_of(one) for one in requirements(CORE)]
    optional = [module_of(one) for extra in USER_EXTRAS for one in requirements(EXTRAS[extra])]
    for path, name, is_lazy in third_party(PACKAGE):
        if any(is_within(name, module) for module in (*optional, *BROUGHT_BY_TORCH)):
            assert is_lazy, f"{path} needs {name}, which may be missing, as soon as it is imported"
        else:
            assert any(is_within(name, module) for module in core), f"{path}: {name} is not declared"


def test_what_is_declared_is_imported() -> None:
    in_package = {name for _, name, _ in third_party(PACKAGE)}
    in_tests = {name for _, name, _ in third_party(REPOSITORY / "tests")}
    for extra, lines in {"": CORE, **EXTRAS}.items():
        places = in_tests if extra == "test" else in_package
        for one in requirements(lines):
            is_used = any(is_within(name, module_of(one)) for name in places)
            assert is_used or one.name in TOOLS.get(extra, ()), f"{extra}: nothing imports {one.name}"


def test_what_the_tests_import_is_declared() -> None:
    declared = [module_of(one) for lines in (CORE, *EXTRAS.values()) for one in requirements(lines)]
    brought = ["packaging", "tomli", *BROUGHT_BY_TORCH]  # by pytest and torch
    scripts = [path.stem for path in (REPOSITORY / "examples").rglob("*.py")]
    for path, name, _ in third_party(REPOSITORY / "tests"):
        assert any(is_within(name, module) for module in (*declared, *brought, *scripts)), f"{path}: {name}"


def test_lower_bounds_are_the_versions_that_ci_installs() -> None:
    lines = (REPOSITORY / ".ci" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = {}
    for line in lines:
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pinned[name] = Version(version)
    promised = {}
    tested = [*CORE, *(line for extra in (*USER_EXTRAS, "test") for line in EXTRAS[extra])]
    for one in requirements(tested):
        (specifier,) = one.specifier
        assert specifier.operator == ">=", f"{one}: a library names lower bounds only"
        promised[one.name] = Version(specifier.version)
    assert promised == {name: pinned[name] for name in promised}
    assert set(pinned) - set(promised) == {"torchvision"}


def test_extras_that_documents_name_exist() -> None:
    documents = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md"), *PACKAGE.rglob("*.py")]
    for path in documents:
        for found in re.findall(r"(?:crossjepa|\.)\[([a-z, ]+)\]", path.read_text(encoding="utf-8")):
            names = {name.strip() for name in found.split(",")}
            assert names <= set(EXTRAS), f"{path} names the extra {sorted(names - set(EXTRAS))}"


def test_one_version_everywhere() -> None:
    version = crossjepa.__version__
    assert f"version: {version}\n" in (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    first = re.search(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert first is not None
    assert first[1] == version


def test_python_versions_are_those_of_the_classifiers() -> None:
    named = [name.rsplit(" ", 1)[1] for name in PROJECT["classifiers"] if "Python :: 3." in name]
    assert PROJECT["requires-python"] == f">={named[0]}"
    workflow = (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert all(f'"{version}"' in workflow for version in named)


def test_the_installed_package_is_complete() -> None:
    assert (PACKAGE / "py.typed").is_file()
    for name in ("crossjepa-base", "crossjepa-base-modelnet40"):
        assert (PACKAGE / "weights" / name / "config.json").is_file()
        assert (PACKAGE / "weights" / name / "model.safetensors").stat().st_size > 10_000_000
    recipes = {path.stem for path in (PACKAGE / "train" / "pretrain" / "configs").glob("*.yaml")}
    assert {"bundled", "shapenet-paper"} <= recipes


@pytest.mark.skipif((REPOSITORY / "crossjepa").is_dir(), reason="asks what is installed, not the checkout")
def test_the_metadata_of_the_installed_package() -> None:
    installed = metadata.metadata("crossjepa")
    assert installed["Version"] == crossjepa.__version__
    assert installed["License-Expression"] == "Apache-2.0"
    assert "site-packages" in PACKAGE.parts
    scripts = metadata.entry_points(group="console_scripts")
    (command,) = (script for script in scripts if script.name == "crossjepa")
    assert callable(command.load())
