"""Packages that import a name when it is asked for (PEP 562): help and small answers need no torch."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str], names: Sequence[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns `__getattr__` and `__dir__` of a package.

    No name may be that of a module of the package, which would take its place when it is imported.

    Args:
        package: name of the package.
        homes: for modules of it, their names that the package has, separated by spaces.
        names: what the package has, `__all__`.
    """
    found = {name: module for module, text in homes.items() for name in text.split()}

    def import_name(name: str) -> Any:
        if name in found:
            return getattr(import_module(f"{package}.{found[name]}"), name)
        if not name.startswith("_") and find_spec(f"{package}.{name}"):
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def list_names() -> list[str]:
        return sorted({*vars(import_module(package)), *names, *found})

    return import_name, list_names
