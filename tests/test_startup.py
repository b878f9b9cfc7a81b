"""Small answers need no heavy library, and packages import a name when it is asked for."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import crossjepa
from crossjepa import ops
from crossjepa.cli.main import COMMANDS, SHELLS
from crossjepa.train import finetune, pretrain
from tests.conftest import REPOSITORY, SAMPLES

HEAVY = ["torch", "timm", "sklearn", "scipy", "huggingface_hub", "h5py", "PIL", "pandas", "pyarrow", "onnx"]

# Says for every command line of standard input its exit code and which heavy libraries it asked for.
WATCHED = """
import contextlib, io, json, sys

class Watch:
    asked = set()
    def find_spec(self, name, path=None, target=None):
        Watch.asked |= {name.split(".")[0]} & set(sys.argv[1:])

sys.meta_path.insert(0, Watch())
answers = []
for words in json.load(sys.stdin):
    Watch.asked = set()
    if words == ["import"]:
        import crossjepa
        dir(crossjepa), crossjepa.errors, crossjepa.ModelConfig, crossjepa.list_models()
        code = 0
    else:
        from crossjepa.cli.main import main
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            code = main(words)
    answers.append([words, code, sorted(Watch.asked)])
print(json.dumps(answers))
"""


def test_small_answers_need_nothing_heavy(tmp_path: Path) -> None:
    np.save(tmp_path / "cloud.npy", np.random.default_rng(0).random((50, 3)))
    (tmp_path / "cloud.xyz").write_text("0 0 0\n1 2 3\n4 5 7\n")
    answered = [
        ["import"], ["--version"], ["--help"], ["data", "--help"], ["list"], ["list", "--json"],
        ["info", "crossjepa-base"], ["info", str(SAMPLES / "chair.obj")],
        ["info", str(tmp_path / "cloud.npy")], ["info", str(tmp_path / "cloud.xyz")],
        ["--print-completion", SHELLS[0]],
        *([*name.split(), "--help"] for name in COMMANDS),
    ]  # fmt: skip
    refused = [
        [], ["enocde"], ["data", "lsit"], ["encode"], ["encode", "--output"], ["info", "no-such-model"],
        ["info", "nothing.ply"], ["encode", "a.ply", "-o", str(tmp_path / "none" / "out.npz")],
        ["predict", "a.ply", "-m", "model", "--top", "0"],
        ["render", "a.ply", "-o", "out", "--preview-views", "-1"],
        *([*name.split(), "--no-such-option"] for name in COMMANDS),
    ]  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-c", WATCHED, *HEAVY], input=json.dumps(answered + refused),
        capture_output=True, text=True, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    expected = [[words, 0, []] for words in answered] + [[words, 2, []] for words in refused]
    assert json.loads(result.stdout) == expected


def test_what_computes_is_noticed() -> None:
    """The test above would not notice torch if the watch did not work."""
    result = subprocess.run(
        [sys.executable, "-c", WATCHED, *HEAVY], input=json.dumps([["list"], ["eval", "list"]]),
        capture_output=True, text=True, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    assert [("torch" in heavy) for _, _, heavy in json.loads(result.stdout)] == [False, True]


PACKAGES = pytest.mark.parametrize(
    "package", [crossjepa, ops, finetune, pretrain], ids=["crossjepa", "ops", "finetune", "pretrain"]
)


def imported_for_type_checkers(package: ModuleType) -> dict[str, str]:
    """Returns the module of each name that a package imports under TYPE_CHECKING."""
    assert package.__file__
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


@PACKAGES
def test_names_are_what_type_checkers_take_them_for(package: ModuleType) -> None:
    homes = imported_for_type_checkers(package)
    assert {*package.__all__} - {"__version__"} == {*homes} - {"CrossJEPAClassifier"}
    for name, home in homes.items():
        assert getattr(package, name) is getattr(import_module(home), name)
    assert {*homes, *package.__all__} <= {*dir(package)}


@PACKAGES
def test_no_name_is_that_of_a_module(package: ModuleType) -> None:
    """A module takes the place of the name when it is imported."""
    assert [name for name in package.__all__ if find_spec(f"{package.__name__}.{name}")] == []


@PACKAGES
def test_a_star_import_brings_every_name(package: ModuleType) -> None:
    brought: dict[str, object] = {}
    exec(f"from {package.__name__} import *", brought)
    assert {name: brought.get(name) for name in package.__all__} == {
        name: getattr(package, name) for name in package.__all__
    }


@PACKAGES
def test_an_unknown_name_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"{package.__name__}' has no attribute 'nothing'"):
        _ = package.nothing
    assert not hasattr(package, "_nothing")


def test_a_module_can_be_reached_without_its_import() -> None:
    code = "import crossjepa; print(crossjepa.ops.fps.reduce_points is crossjepa.ops.reduce_points)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert result.stdout == "True\n"
