"""What can be exported of a model: graphs from points to tensors, and the facts that go with them.

B clouds, N points, G groups, C encoder width, E embedding width, K classes, P parts of all classes
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from crossjepa._version import __version__
from crossjepa.config import Pooling
from crossjepa.defaults import Output
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.export.grouping import group_points_in_graph
from crossjepa.model_files import weights_digest
from crossjepa.models.evaluation_view import evaluation_view
from crossjepa.models.point_encoder import PointEncoder
from crossjepa.ops import interpolate_tokens

_EXAMPLE_CLOUDS, _EXAMPLE_POINTS = 2, 500


@dataclass(frozen=True)
class Graph:
    """A traced model.

    Attributes:
        program: the graph, with batch and number of points left open.
        inputs: names of its inputs.
        outputs: names of its outputs.
        facts: what a user of the file must know, as texts: the entries of `describe`.
    """

    program: torch.export.ExportedProgram
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    facts: dict[str, str]

    @property
    def dynamic_shapes(self) -> dict[str, dict[int, str]]:
        """Names of the dimensions of each input that may have any size."""
        open_dimensions = {"points": {0: "batch", 1: "points"}, "label": {0: "batch"}}
        return {name: open_dimensions[name] for name in self.inputs}


def trace(encoder: CrossJEPAEncoder, output: Output | None = None, *, pool: Pooling | None = None) -> Graph:
    """Traces an encoder for any number of clouds and of points.

    Args:
        encoder: the model, in float32 on the CPU; its mode neither matters nor changes.
        output: "tokens" for (B, E) `features`, (B, G, C) `tokens`, (B, G, 3) `centers` and the (B, G)
            `token_mask`; "points" for (B, N, C) `features` of the points given; "scores" for those of the
            head: (B, K) of the classes or, with a (B,) int64 input `label`, (B, N, P) of the parts of the
            points given. By default "scores" if there is a head, else "tokens".
        pool: pooling of the tokens to `features` with "tokens"; the configured one by default.

    Returns:
        The graph, whose input `points` are (B, N, 3) float32 normalized coordinates, as `preprocess` returns
        them.

    Raises:
        NoHeadError: scores of an encoder without a head.
        ValueError: the output is unknown, `pool` does not go with it, or the model is compiled or not in
            float32 on the CPU.
    """
    output = output or ("scores" if encoder.head else "tokens")
    if output not in get_args(Output):
        raise ValueError(f"output must be one of {', '.join(get_args(Output))}, not {output!r}")
    if pool and output != "tokens":
        raise ValueError(f"pool is of the feature of a cloud, which output {output!r} does not have")
    if encoder.device.type != "cpu" or encoder.dtype != torch.float32:
        raise ValueError(f"only float32 on the CPU is exported, not {encoder.dtype} on {encoder.device}")
    pool = pool or encoder.config.pool
    points_BN3 = torch.rand(_EXAMPLE_CLOUDS, _EXAMPLE_POINTS, 3, generator=torch.Generator().manual_seed(0))
    inputs: dict[str, Tensor] = {"points": points_BN3}
    module: nn.Module
    outputs: tuple[str, ...] = ("scores",)
    if output == "tokens":
        module, outputs = _Tokens(encoder, pool), ("features", "tokens", "centers", "token_mask")
    elif output == "points":
        module, outputs = _PointFeatures(encoder), ("features",)
    elif encoder.require_head() is not None and encoder.part_names:
        module = _PartScores(encoder)
        inputs["label"] = torch.zeros(_EXAMPLE_CLOUDS, dtype=torch.int64)
    else:
        module = _ClassScores(encoder)
    facts = {**describe(encoder), "output": output, **({"pool": pool} if output == "tokens" else {})}
    dimensions = {name: torch.export.Dim(name) for name in ("batch", "points")}
    shapes = {name: {0: dimensions["batch"]} for name in inputs}
    shapes["points"][1] = dimensions["points"]
    with torch.no_grad():
        program = torch.export.export(module.eval(), (), inputs, dynamic_shapes=shapes)
    return Graph(program, tuple(inputs), outputs, facts)


def describe(encoder: CrossJEPAEncoder) -> dict[str, str]:
    """Returns the facts about a model that its files carry.

    Returns:
        `library`, `version` and `weights_sha256` (see `crossjepa.model_files.weights_digest`) as they are; as
        JSON `config` (all of config.json), `processor` (its preprocessing), `classes`, `part_names` and
        `class_parts`, which are empty lists without a head.
    """
    config = encoder.model_config.to_dict()
    lists = {name: getattr(encoder, name) for name in ("classes", "part_names", "class_parts")}
    return {
        "library": "crossjepa",
        "version": __version__,
        "weights_sha256": weights_digest(encoder),
        "config": json.dumps(config),
        "processor": json.dumps(config["processor"]),
        **{name: json.dumps(values) for name, values in lists.items()},
    }


class _Graph(nn.Module):
    """A view of a model in evaluation mode, whose network groups points in the graph."""

    def __init__(self, encoder: CrossJEPAEncoder) -> None:
        super().__init__()
        network: PointEncoder = evaluation_view(encoder.network)
        if network is encoder.network:  # what is changed below must not be the model itself
            raise ValueError("a compiled model cannot be exported: load it again and do not compile it")

        def group(points_BN3: Tensor, mask_BN: Tensor | None = None) -> object:
            return group_points_in_graph(points_BN3, network.config)

        network.group = group  # type: ignore[method-assign, assignment]
        self.network = network
        self.head = None if encoder.head is None else evaluation_view(encoder.head)


class _Tokens(_Graph):
    def __init__(self, encoder: CrossJEPAEncoder, pool: Pooling) -> None:
        super().__init__(encoder)
        self.pool: Pooling = pool

    def forward(self, points: Tensor) -> tuple[Tensor, ...]:
        found = self.network(points, pool=self.pool)
        return found.pooled, found.tokens, found.centers, found.token_mask


class _PointFeatures(_Graph):
    def forward(self, points: Tensor) -> Tensor:
        found = self.network(points)
        return interpolate_tokens(points, found.centers, found.tokens, found.token_mask)


class _ClassScores(_Graph):
    def forward(self, points: Tensor) -> Tensor:
        assert self.head is not None
        return self.head(self.head.read(self.network, points))  # type: ignore[no-any-return]


class _PartScores(_Graph):
    def forward(self, points: Tensor, label: Tensor) -> Tensor:
        assert self.head is not None
        return self.head(  # type: ignore[no-any-return]
            self.head.read(self.network, points), points, label
        )
