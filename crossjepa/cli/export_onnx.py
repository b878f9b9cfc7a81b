"""`crossjepa export-onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from tyro.conf import Positional, arg

from crossjepa.cli import options
from crossjepa.config import Pooling
from crossjepa.defaults import Output

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}


def export(
    model: Annotated[str, Positional, arg(metavar="MODEL")],
    output_file: Annotated[Path, arg(name="output-file", aliases=["-o"], metavar="FILE")],
    output: Annotated[
        Output | None,
        options.one_of(*get_args(Output)),
        options.unset("scores of a fine-tuned model, tokens of another"),
    ] = None,
    pool: Annotated[
        Pooling | None, options.one_of(*get_args(Pooling)), options.unset("that of the model")
    ] = None,
    format: Literal["onnx", "torch"] = "onnx",
    int8: options.Flag = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Write a model as an ONNX file or an archive of torch.

    onnxruntime, or torch alone, runs it without this package. It takes any number of clouds of any number of
    normalized points. Its metadata hold the preprocessing, the names of classes and parts, the version of
    this package and a digest of the weights.

    Args:
        model: name (see `crossjepa list`), org/repo on the Hub, or folder of weights.
        output_file: the file, .onnx, or .pt2 with --format torch.
        output: tokens: the feature of every cloud, and its tokens with their centers; points: a feature of
            every point; scores: those of the classes, or of the parts of every point.
        pool: pooling of tokens to the feature of a cloud.
        format: onnx, or torch for an archive that `torch.export.load` reads.
        int8: store weights in 8 bits, for onnx only: a quarter of the size, and other features.
    """
    options.check_output(output_file, (SUFFIXES[format],))
    if int8 and format != "onnx":
        raise ValueError("--int8 is for --format onnx only")

    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.export import export_onnx, export_torch

    encoder = CrossJEPAEncoder.from_pretrained(model)
    if format == "onnx":
        graph = export_onnx(encoder, output_file, output=output, pool=pool, int8=int8)
    else:
        graph = export_torch(encoder, output_file, output=output, pool=pool)
    facts = {"file": str(output_file), "model": model, "format": format, "output": graph.facts["output"]}
    if json:
        weights = {"weights_sha256": graph.facts["weights_sha256"]}
        options.print_json({**facts, "inputs": graph.inputs, "outputs": graph.outputs, **weights})
    elif not quiet:
        print(f"{output_file}: {', '.join(graph.inputs)} -> {', '.join(graph.outputs)} of {model}")
    return 0
