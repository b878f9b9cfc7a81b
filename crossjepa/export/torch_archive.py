"""Archives of `torch.export`: the same graphs for torch alone, without this package."""

from __future__ import annotations

import io
import json
import os

import torch

from crossjepa.config import Pooling
from crossjepa.defaults import Output
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.export.graph import Graph, trace
from crossjepa.files import atomic_write

FACTS_NAME = "crossjepa.json"


def export_torch(
    encoder: CrossJEPAEncoder,
    path: str | os.PathLike[str],
    *,
    output: Output | None = None,
    pool: Pooling | None = None,
) -> Graph:
    """Writes a model as an archive of `torch.export`, completely or not at all.

    `torch.export.load(path).module()(points=points_BN3)` returns the outputs in their order. The archive
    holds the `facts` of the graph as JSON in an extra file, crossjepa.json.

    Args:
        encoder, output, pool: as in `trace`.
        path: the file, usually .pt2.

    Returns:
        What was written.

    Raises:
        NoHeadError, ValueError: as in `trace`.
    """
    graph, buffer = trace(encoder, output, pool=pool), io.BytesIO()
    torch.export.save(graph.program, buffer, extra_files={FACTS_NAME: json.dumps(graph.facts)})
    atomic_write(path, lambda file: file.write(buffer.getbuffer()))
    return graph
