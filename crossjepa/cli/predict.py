"""`crossjepa predict`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from tyro.conf import arg

from crossjepa.cli import options
from crossjepa.device import resolve_device
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.errors import PointCloudError
from crossjepa.files import write_npz


def predict(
    inputs: options.Inputs,
    model: Annotated[str, arg(aliases=["-m"])],
    output: Annotated[Path | None, arg(aliases=["-o"], metavar="OUT.npz"), options.unset("no file")] = None,
    label: Annotated[str | None, options.unset("none")] = None,
    votes: int = 1,
    up_axis: options.UpAxis = None,
    device: options.Device = "auto",
    json: options.Json = False,
) -> int:
    """Name the classes or parts of files with a fine-tuned model.

    Prints file, class and probability, or file, part and share of the points, separated by tabs.

    Args:
        model: folder that `crossjepa finetune` wrote, or org/repo on the Hub.
        output: write the probability of every class, or the part of every point, to this file.
        label: class of the objects, which a model of parts takes as known.
        votes: stretched copies of each cloud to average over.
    """
    if output:
        options.check_output(output, (".npz",))
    encoder = CrossJEPAEncoder.from_pretrained(model, device=resolve_device(device))
    has_parts = bool(encoder.part_names)
    if label and encoder.classes and not has_parts:
        raise ValueError(f"{model} names classes; --label is for models of parts")
    answers, errors = list[dict[str, Any]](), list[PointCloudError]()
    arrays: dict[str, NDArray[Any]] = {"part_names": np.array(encoder.part_names, dtype=str)}
    for path in map(str, options.list_inputs(inputs)):
        try:
            if has_parts:
                named = encoder.predict_parts(path, label, votes=votes, up_axis=up_axis)
                names, counts = np.unique(named.names_N, return_counts=True)
                arrays[path], shares = named.parts_N, dict(zip(names, counts / counts.sum(), strict=True))
                answers.append({"file": path, "parts": shares})
            else:
                found = encoder.predict(path, votes=votes, up_axis=up_axis)
                shares = {found.label: found.probability}
                answers.append({"file": path, **asdict(found)})
        except PointCloudError as error:
            errors.append(error)
            continue
        if not json:
            print("\n".join(f"{path}\t{name}\t{share:.4f}" for name, share in shares.items()))
    code = options.finish(len(answers), errors)
    if json:
        options.print_json(answers)
    if not has_parts:
        rows = [[answer["probabilities"][name] for name in encoder.classes] for answer in answers]
        arrays = {
            "files": np.array([answer["file"] for answer in answers], dtype=str),
            "classes": np.array(encoder.classes, dtype=str),
            "probabilities": np.array(rows, np.float32),
        }
    if output:
        write_npz(output, arrays)
    return code
