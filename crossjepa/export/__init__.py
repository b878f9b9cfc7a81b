"""Models as files that run without this package: ONNX, and archives of `torch.export`."""

from crossjepa.defaults import Output
from crossjepa.export.graph import Graph, trace
from crossjepa.export.onnx import export_onnx
from crossjepa.export.torch_archive import export_torch

__all__ = ["Graph", "Output", "export_onnx", "export_torch", "trace"]
