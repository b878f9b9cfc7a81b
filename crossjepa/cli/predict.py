"""`crossjepa predict`."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from tyro.conf import arg

from crossjepa.cli import options
from crossjepa.errors import PointCloudError
from crossjepa.files import atomic_write, write_npz

if TYPE_CHECKING:
    from crossjepa.encoder import CrossJEPAEncoder

UNKNOWN = "unknown"


def predict(
    inputs: options.Inputs,
    model: Annotated[str, arg(aliases=["-m"])],
    output: Annotated[Path | None, arg(aliases=["-o"], metavar="FILE"), options.unset("no file")] = None,
    top: Annotated[int, arg(metavar="K")] = 1,
    unknown: options.Flag = False,
    unknown_below: Annotated[float | None, arg(metavar="P"), options.unset("none")] = None,
    label: Annotated[str | None, options.unset("none")] = None,
    votes: int = 1,
    up_axis: options.UpAxis = None,
    outliers: options.Outliers = None,
    device: options.Device = "auto",
    json: options.Json = False,
    json_lines: options.Flag = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> int:
    """Name the classes or parts of files with a fine-tuned model.

    Prints file, class and probability, or file, part and share of the points, separated by tabs.

    Args:
        model: folder that `crossjepa finetune` wrote, or org/repo on the Hub.
        output: write probabilities of all classes (.npz, .csv or .jsonl), or parts of all points (.npz).
        top: print the K most probable classes of each file, most probable first.
        unknown: name a file unknown if its probability is below the threshold that fine-tuning calibrated.
        unknown_below: the same with this threshold, from 0 to 1.
        json_lines: print one line of JSON per file to standard output.
        label: class of the objects, which a model of parts takes as known.
        votes: stretched copies of each cloud to average over.
    """
    if output:
        options.check_output(output, (".npz", ".csv", ".jsonl"))
    if top < 1:
        raise ValueError(f"--top must be at least 1, not {top}")

    from crossjepa.device import resolve_device
    from crossjepa.encoder import CrossJEPAEncoder

    encoder = CrossJEPAEncoder.from_pretrained(model, device=resolve_device(device))
    has_parts = bool(encoder.part_names)
    if label and encoder.classes and not has_parts:
        raise ValueError(f"{model} names classes; --label is for models of parts")
    if has_parts and (top > 1 or unknown or unknown_below is not None):
        raise ValueError(f"{model} names parts; --top and --unknown are for models of classes")
    if has_parts and output and output.suffix != ".npz":
        raise ValueError(f"{output}: parts of points are written to .npz only")
    threshold = _threshold(encoder, model, unknown_below) if unknown or unknown_below is not None else 0.0
    options.choose_outliers(encoder, outliers)
    files, left_out = options.list_inputs(inputs, output)
    if encoder.head_up_axis and not (quiet or up_axis):
        note = f"the model learned shapes with {encoder.head_up_axis} up, and files are taken to be so"
        print(f"crossjepa: {note}; for others give --up-axis", file=sys.stderr)
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
        for answer in answers:
            if answer["probability"] < threshold:
                answer["label"] = UNKNOWN
        rows = [[answer.probabilities[name] for name in encoder.classes] for _, answer in usable]
        arrays = {
            "files": np.array([str(path) for path, _ in usable], dtype=str),
            "classes": np.array(encoder.classes, dtype=str),
            "probabilities": np.array(rows, np.float32),
        }
    if output and answers:  # before anything is printed to what may be closed
        _write(output, answers, arrays)
    code = options.finish(len(answers), list(errors.values()), [] if quiet else left_out)
    if json:
        options.print_json(answers)
    elif json_lines:
        print("\n".join(map(dumps, answers)))
    for answer in [] if json or json_lines else answers:
        shares = answer["parts"] if has_parts else _best(answer, top)
        print("\n".join(f"{answer['file']}\t{name}\t{share:.4f}" for name, share in shares.items()))
    return code


def _best(answer: dict[str, Any], top: int) -> dict[str, float]:
    """Returns the most probable classes; "unknown" comes first, with the probability of the best one."""
    best = dict(list(answer["probabilities"].items())[:top])
    if answer["label"] != UNKNOWN:
        return best
    return {UNKNOWN: answer["probability"], **(best if top > 1 else {})}


def _threshold(encoder: CrossJEPAEncoder, model: str, given: float | None) -> float:
    """Returns the probability below which a class is unknown."""
    if given is not None:
        if not 0 <= given <= 1:
            raise ValueError(f"--unknown-below must be from 0 to 1, not {given}")
        return given
    known = encoder.provenance.get("finetuned", {})
    if not isinstance(known, Mapping) or "unknown_below" not in known:
        raise ValueError(
            f"{model} has no calibrated threshold: fine-tune it again with validation data, or give "
            "--unknown-below"
        )
    return float(known["unknown_below"])


def _write(output: Path, answers: list[dict[str, Any]], arrays: dict[str, Any]) -> None:
    if output.suffix == ".npz":
        write_npz(output, arrays)
        return
    text = io.StringIO()
    if output.suffix == ".jsonl":
        text.writelines(f"{dumps(answer)}\n" for answer in answers)
    else:
        writer = csv.writer(text, lineterminator="\n")
        classes = arrays["classes"].tolist()
        writer.writerow(["file", "label", "probability", *classes])
        for answer in answers:
            shares = [f"{answer['probabilities'][name]:.6g}" for name in classes]
            writer.writerow([answer["file"], answer["label"], f"{answer['probability']:.6g}", *shares])
    atomic_write(output, lambda file: file.write(text.getvalue().encode("utf-8", "backslashreplace")))
