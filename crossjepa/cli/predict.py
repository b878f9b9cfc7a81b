"""The subcommand `predict`.

n files, N points, K classes
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from crossjepa.encoder import CrossJEPAEncoder


def add_predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `crossjepa predict`."""
    parser = commands.add_parser("predict", help="name the classes or parts of files with a fine-tuned model")
    parser.add_argument("inputs", nargs="+", metavar="FILE-or-FOLDER", help="point clouds and meshes")
    parser.add_argument("-m", "--model", required=True, help="folder of `crossjepa finetune`, or org/repo")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.npz",
        help="write the probability of every class, or the part of every point",
    )  # fmt: skip
    parser.add_argument("--label", help="class of the objects, which a model of parts takes as known")
    parser.add_argument("--votes", type=int, default=1, help="stretched copies to average over (default 1)")
    parser.add_argument(
        "--up-axis", choices=("x", "y", "z"), help="axis that points up, by default as in training"
    )
    parser.add_argument("--device", default="cpu", help="torch device (default cpu)")
    parser.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    from crossjepa.cli.encode import check_output, list_inputs
    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.files import write_npz
    from crossjepa.io import PointCloudError

    if options.output:
        check_output(options.output, (".npz",))
    encoder = CrossJEPAEncoder.from_pretrained(options.model, device=options.device)
    parts = bool(encoder.part_names)
    if options.label and encoder.classes and not parts:
        raise ValueError(f"{options.model} names classes; --label is for models of parts")
    answers: dict[str, NDArray[Any]] = {}
    errors = 0
    for path in list_inputs(options.inputs):
        try:
            found = (_name_parts if parts else _name_class)(encoder, path, options)
        except PointCloudError as error:
            print(f"crossjepa: skipped {error}", file=sys.stderr)
            errors += 1
            continue
        answers[str(path)] = found
    if options.output:
        write_npz(options.output, (_part_arrays if parts else _class_arrays)(encoder, answers))
    return 1 if errors else 0


def _name_class(encoder: CrossJEPAEncoder, path: Path, options: argparse.Namespace) -> NDArray[Any]:
    """Prints the class of a file and returns the (K,) probabilities."""
    answer = encoder.predict(path, votes=options.votes, up_axis=options.up_axis)
    print(f"{path}\t{answer.label}\t{answer.probability:.4f}")
    return np.array([answer.probabilities[name] for name in encoder.classes], dtype=np.float32)


def _name_parts(encoder: CrossJEPAEncoder, path: Path, options: argparse.Namespace) -> NDArray[Any]:
    """Prints the parts of a file with their shares of its points and returns the (N,) parts."""
    answer = encoder.predict_parts(path, options.label, votes=options.votes, up_axis=options.up_axis)
    for part, count in zip(*np.unique(answer.parts_N, return_counts=True), strict=True):
        print(f"{path}\t{answer.part_names[part]}\t{count / len(answer.parts_N):.4f}")
    return answer.parts_N


def _class_arrays(encoder: CrossJEPAEncoder, answers: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    names = {"files": np.array(list(answers), dtype=str), "classes": np.array(encoder.classes, dtype=str)}
    empty = np.zeros((0, len(encoder.classes)), np.float32)
    return {**names, "probabilities": np.stack(list(answers.values())) if answers else empty}


def _part_arrays(encoder: CrossJEPAEncoder, answers: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {**answers, "part_names": np.array(encoder.part_names, dtype=str)}
