"""`crossjepa predict`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
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
    outliers: options.Outliers = None,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
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
    options.choose_outliers(encoder, outliers)
    files, left_out = options.list_inputs(inputs, output)
    errors = dict[int, PointCloudError]()
    if has_parts:
        named = encoder.predict_parts(files, label, votes=votes, up_axis=up_axis, on_error=errors.__setitem__)
        answers, arrays = list[dict[str, Any]](), {"part_names": np.array(encoder.part_names, dtype=str)}
        for row, (path, parts) in enumerate(zip(map(str, files), named, strict=True)):
            if row not in errors:
                names, counts = np.unique(parts.names_N[parts.parts_N >= 0], return_counts=True)
                answers.append({"file": path, "parts": dict(zip(names, counts / counts.sum(), strict=True))})
                arrays[path] = parts.parts_N
    else:
        found = encoder.predict(
            files, votes=votes, up_axis=up_axis, on_error=errors.__setitem__,
            progress=False if quiet or no_progress else None,
        )  # fmt: skip
        usable = [each for row, each in enumerate(zip(files, found, strict=True)) if row not in errors]
        answers = [{"file": str(path), **asdict(answer)} for path, answer in usable]
        rows = [[answer.probabilities[name] for name in encoder.classes] for _, answer in usable]
        arrays = {
            "files": np.array([str(path) for path, _ in usable], dtype=str),
            "classes": np.array(encoder.classes, dtype=str),
            "probabilities": np.array(rows, np.float32),
        }
    if output and answers:  # before anything is printed to what may be closed
        write_npz(output, arrays)
    code = options.finish(len(answers), list(errors.values()), [] if quiet else left_out)
    if json:
        options.print_json(answers)
    for answer in [] if json else answers:
        shares = answer["parts"] if has_parts else {answer["label"]: answer["probability"]}
        print("\n".join(f"{answer['file']}\t{name}\t{share:.4f}" for name, share in shares.items()))
    return code
