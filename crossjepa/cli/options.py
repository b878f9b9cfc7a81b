"""Options that several commands share, each with one text, and what commands print."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from tyro.conf import FlagCreatePairsOff, Positional, arg
from tyro.constructors import PrimitiveConstructorSpec

from crossjepa.config import Axis
from crossjepa.errors import PointCloudError
from crossjepa.io import scan_folder

if TYPE_CHECKING:
    from crossjepa.encoder import CrossJEPAEncoder

DEFAULT_MODEL = "crossjepa-base"


def one_of(*values: str) -> PrimitiveConstructorSpec[Any]:
    """Parses one of a few values, for options whose default None is not among them."""
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="{" + ",".join(values) + "}",
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: value is None or value in values,
        str_from_instance=lambda value: [str(value)],
        choices=values,
    )


def several(kind: str) -> PrimitiveConstructorSpec[tuple[str, ...]]:
    """Parses one or more words, for positional arguments."""

    def read(words: list[str]) -> tuple[str, ...]:
        if not words:
            raise ValueError(f"give at least one {kind}")
        return tuple(words)

    return PrimitiveConstructorSpec(
        nargs="*",
        metavar=kind,
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=list,
    )


def unset(meaning: str) -> Any:
    """Says in the help what happens without an option whose default is None or empty."""
    return arg(help_behavior_hint=f"(default: {meaning})")


def required(metavar: str) -> Any:
    """Shows in the help that a positional argument takes one or more words."""
    return arg(metavar=f"{metavar} ...", help_behavior_hint="(required)")


Flag = Annotated[bool, FlagCreatePairsOff]
Inputs = Annotated[
    tuple[str, ...],
    Positional,
    several("FILE-or-FOLDER"),
    required("FILE-or-FOLDER"),
    arg(help="point clouds and meshes, or folders of them; - reads names from standard input, one per line."),
]
Folder = Annotated[Path, arg(aliases=["-o"], metavar="FOLDER")]
Model = Annotated[
    str, arg(aliases=["-m"], help="name (see `crossjepa list`), org/repo on the Hub, or folder of weights.")
]
UpAxis = Annotated[
    Axis | None,
    one_of(*get_args(Axis)),
    unset("what is known of the weights or the data"),
    arg(help="axis that points up in the data."),
]
Outliers = Annotated[
    Literal["keep", "remove"] | None,
    one_of("keep", "remove"),
    unset("as the model is configured"),
    arg(help="whether stray points of clouds, far from all others, are left out before encoding."),
]
DataSet = Annotated[
    str | None,
    unset("what its files say"),
    arg(metavar="NAME", help="which data set it is, see `crossjepa data list`."),
]
Shapes = Annotated[
    Path | None,
    unset("the folder ShapeNet beside the renderings"),
    arg(metavar="FOLDER", help="clouds or meshes of the objects whose renderings are given."),
]
Difficulty = Annotated[Literal["easy", "hard"], arg(help="which of DISN's renderings.")]
BatchSize = Annotated[int, arg(help="clouds per forward pass.")]
Device = Annotated[
    str,
    arg(help="torch device, such as cpu or cuda:1; auto takes CUDA or MPS if available, else the CPU."),
]
Json = Annotated[Flag, arg(help="print JSON to standard output.")]
Quiet = Annotated[Flag, arg(help="print results and errors only: no progress bars, no notes.")]
NoProgress = Annotated[Flag, arg(help="show no progress bars.")]


def choose_outliers(encoder: CrossJEPAEncoder, outliers: str | None) -> None:
    """Makes an encoder remove or keep outliers; None leaves it as it is configured."""
    if outliers:
        encoder.processor = encoder.processor.with_outlier_removal(outliers == "remove")


def list_inputs(inputs: Sequence[str], output: Path | None = None) -> tuple[list[Path], list[str]]:
    """Replaces every folder by the clouds and meshes inside it; files stay, readable or not.

    Args:
        inputs: files and folders; "-" stands for those that standard input names, one per line.
        output: file that the command writes, which is not its input.

    Returns:
        The files, and a line for all that was left out of the folders.

    Raises:
        PointCloudError: a folder holds no cloud and no mesh.
        ValueError: standard input names no file.
    """
    files, left_out = list[Path](), list[str]()
    for name in _with_stdin(inputs):
        if not Path(name).is_dir():
            files.append(Path(name))
            continue
        found = scan_folder(name, [output] if output else [])
        if not found.files:
            others = f" ({'; '.join(found.left_out())})" if found.left_out() else ""
            raise PointCloudError(name, f"no point cloud or mesh file in this folder{others}")
        files.extend(found.files)
        left_out += [f"{name}: {line}" for line in found.left_out()]
    return files, left_out


def _with_stdin(inputs: Sequence[str]) -> list[str]:
    """Replaces "-" by the lines of standard input."""
    names = list[str]()
    for name in inputs:
        lines = [line for line in sys.stdin.read().splitlines() if line] if name == "-" else [name]
        if not lines:
            raise ValueError("standard input names no file: it must have one name per line")
        names += lines
    return names


def check_output(path: Path, suffixes: Sequence[str] = ()) -> None:
    """Refuses an output that could not be written, before any work is done.

    Raises:
        ValueError: the file has none of the suffixes, is a folder, or its folder does not exist or cannot be
            written to.
    """
    if suffixes and path.suffix not in suffixes:
        raise ValueError(f"{path}: output must end in {' or '.join(suffixes)}")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path}: the folder does not exist")
    if not os.access(path.absolute().parent, os.W_OK):
        raise ValueError(f"{path}: the folder cannot be written to")


def print_json(values: Any) -> None:
    """Prints plain values as indented JSON."""
    print(json.dumps(values, indent=2))


def print_problems(problems: Sequence[object], word: str = "") -> None:
    """Prints a line for each problem to standard error."""
    for problem in problems:
        print(f"crossjepa: {word}{problem}", file=sys.stderr)


def finish(done: int, errors: Sequence[Exception], left_out: Sequence[str] = ()) -> int:
    """Reports the inputs that failed; returns the exit code, 0 if all went well and 1 if some failed.

    Args:
        done: number of inputs that did not fail.
        errors: why the others failed.
        left_out: what was in folders beside clouds and meshes.

    Raises:
        ValueError: all inputs failed.
    """
    print_problems(errors, "skipped ")
    print_problems(left_out, "left out ")
    if errors and not done:
        raise ValueError(f"nothing was written: none of the {len(errors)} inputs could be used")
    return 1 if errors else 0


def log_to_stderr(quiet: bool, style: str = "%(message)s") -> None:
    """Shows the notes of the library on standard error, or with `--quiet` only its warnings."""
    logging.basicConfig(format=style)
    logging.getLogger("crossjepa").setLevel(logging.WARNING if quiet else logging.INFO)
