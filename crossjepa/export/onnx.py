"""ONNX files: a graph of any batch and number of points, with what its user must know in its metadata."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from crossjepa.config import Pooling
from crossjepa.defaults import Output
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.export.graph import Graph, trace
from crossjepa.files import atomic_write

OPSET = 18
# The first version whose exporter turns loops into those of ONNX.
FIRST_TORCH = "2.11"


def export_onnx(
    encoder: CrossJEPAEncoder,
    path: str | os.PathLike[str],
    *,
    output: Output | None = None,
    pool: Pooling | None = None,
    int8: bool = False,
) -> Graph:
    """Writes a model as an ONNX file of opset 18, completely or not at all.

    Needs the extra `onnx`. The file's metadata (`custom_metadata_map` in onnxruntime) are the `facts` of the
    graph.

    Args:
        encoder: as in `trace`.
        path: the file.
        output: as in `trace`.
        pool: as in `trace`.
        int8: store the weights of matrix products in 8 bits, a quarter of the size: other features, which
            are not to be mixed with those of float32 (see docs/deployment.md).

    Returns:
        What was written.

    Raises:
        NoHeadError, ValueError: as in `trace`.
        ImportError: the extra is not installed, or torch is older than 2.11.
    """
    if torch.__version__ < FIRST_TORCH:
        raise ImportError(f"export to ONNX needs torch {FIRST_TORCH} or later, not {torch.__version__}")
    try:
        import onnx
        import onnxscript  # noqa: F401  # torch's exporter needs it, and says so in many lines
    except ImportError as error:
        raise ImportError(f"export to ONNX needs `pip install crossjepa[onnx]` ({error})") from error
    graph = trace(encoder, output, pool=pool)
    model = _translate(graph)
    if int8:
        model = _quantize(model)
    graph.facts["weights"] = "int8" if int8 else "float32"
    del model.metadata_props[:]
    for name, value in graph.facts.items():
        model.metadata_props.add(key=name, value=value)
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    atomic_write(path, lambda file: file.write(content))
    return graph


def _translate(graph: Graph) -> Any:
    """Returns the `onnx.ModelProto` of a graph."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                graph.program,
                (),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=graph.inputs,
                output_names=graph.outputs,
                dynamic_shapes=graph.dynamic_shapes,
                custom_translation_table={
                    torch.ops.aten.sort.stable: _stable_sort,
                    torch.ops.aten._cdist_forward.default: _distances,
                },
            )
    finally:
        exporter.setLevel(level)
    assert program is not None
    model = program.model_proto
    model.doc_string = f"crossjepa {graph.facts['version']}, output {graph.facts['output']}"
    for function in (model.graph, *model.functions):
        _forget_sources(function)
    return model


def _quantize(model: Any) -> Any:
    """Returns the model with 8-bit weights; what enters a product is brought to 8 bits batch by batch."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises what has been done
    try:
        with tempfile.TemporaryDirectory() as folder:
            given, folded, quantized = (str(Path(folder) / f"{number}.onnx") for number in range(3))
            onnx.save(model, given)
            # Weights that are still computed from others, such as transposed ones, would stay as they are.
            quant_pre_process(given, folded, skip_symbolic_shape=True)
            quantize_dynamic(folded, quantized, weight_type=QuantType.QInt8)
            found = onnx.load(quantized)
    finally:
        root.setLevel(level)
    # onnxruntime names all domains that it knows; none but ONNX's own has an operator here.
    del found.opset_import[:]
    found.opset_import.extend([onnx.helper.make_opsetid("", OPSET)])
    return found


def _stable_sort(self: Any, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """Sorts by ONNX's TopK, which promises that of equal values the one with the lower index comes first."""
    from onnxscript import opset18 as op

    size = op.Shape(self, start=dim, end=None if dim == -1 else dim + 1)
    return op.TopK(self, size, axis=dim, largest=int(descending), sorted=1)


def _distances(x1: Any, x2: Any, p: float, compute_mode: int | None) -> Any:
    """Returns the (B, N, M) distances of (B, N, 3) from (B, M, 3) points, from one axis after the other."""
    from onnxscript import opset18 as op

    first = op.Split(x1, axis=2, num_outputs=3)
    second = op.Split(op.Transpose(x2, perm=[0, 2, 1]), axis=1, num_outputs=3)
    x, y, z = (op.Sub(one, other) for one, other in zip(first, second, strict=True))
    return op.Sqrt(op.Add(op.Add(op.Mul(x, x), op.Mul(y, y)), op.Mul(z, z)))


def _forget_sources(graph: Any) -> None:
    """Removes where in the sources of the exporting machine every node comes from."""
    for node in graph.node:
        del node.metadata_props[:]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _forget_sources(attribute.g)
    for values in (graph.value_info, *(getattr(graph, name, ()) for name in ("input", "output"))):
        for value in values:
            if hasattr(value, "metadata_props"):
                del value.metadata_props[:]
    del graph.metadata_props[:]
