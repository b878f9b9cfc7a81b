"""A network that lies in an ONNX file and is run by onnxruntime, in place of a `PointEncoder` and a head.

B clouds, N points, G groups, C encoder width, K classes
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
from torch import Tensor, nn

from crossjepa.config import ModelConfig, Pooling
from crossjepa.errors import WeightsError, what
from crossjepa.models.encoder_with_head import EncoderWithHead
from crossjepa.models.heads import PooledFeatures
from crossjepa.models.point_encoder import EncoderOutput, PointEncoder, check_points, pool_tokens

ONNX_NAME = "model.onnx"

_Model = TypeVar("_Model", bound=EncoderWithHead)


class OnnxNetwork(PointEncoder):
    """What `crossjepa export-onnx` wrote, with the methods of the network that the file can answer.

    Args:
        source: the file, or a folder that holds it as model.onnx.

    Attributes:
        path: the file.
        facts: its metadata, see `crossjepa.export.graph.describe`.
        model_config: the configuration of the model that was exported.

    Raises:
        WeightsError: there is no such file, or it is not one of `crossjepa export-onnx`.
        ImportError: onnxruntime is not installed.
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        nn.Module.__init__(self)
        self.path = find_onnx(source)
        self.session = _open(self.path)
        self.facts: dict[str, str] = dict(self.session.get_modelmeta().custom_metadata_map)
        try:
            self.model_config = ModelConfig.from_dict(json.loads(self.facts["config"]))
        except (KeyError, ValueError, TypeError) as error:
            reason = f"its metadata are not those of `crossjepa export-onnx` ({what(error)})"
            raise WeightsError(self.path, reason) from error
        self.config = self.model_config.encoder
        self.outputs = tuple(output.name for output in self.session.get_outputs())

    @property
    def device(self) -> torch.device:
        """Where the results are: the CPU."""
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """Type of the results: float32."""
        return torch.float32

    def forward(
        self, points_BN3: Tensor, mask_BN: Tensor | None = None, *, pool: Pooling | None = None
    ) -> EncoderOutput:
        """Encodes clouds as `PointEncoder.forward` does, without gradients.

        Raises:
            WeightsError: the file holds no tokens.
        """
        found = self._answer(("tokens", "centers", "token_mask"), points_BN3, mask_BN, "tokens")
        tokens_BGC, centers_BG3, token_mask_BG = found
        pooled = pool_tokens(tokens_BGC, token_mask_BG, pool or self.config.pool)
        return EncoderOutput(tokens_BGC, centers_BG3, pooled, None if token_mask_BG.all() else token_mask_BG)

    def scores(self, points_BN3: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """Returns the (B, K) scores of the classes.

        Raises:
            WeightsError: the file holds no such scores.
        """
        if self.model_config.head and self.model_config.head.task == "partseg":
            reason = "gives scores of parts for the points that it gets, not for those of the original cloud"
            hint = 'run it by onnxruntime itself, or load the model with backend="torch"'
            raise WeightsError(self.path, f"{reason}: {hint}")
        (scores_BK,) = self._answer(("scores",), points_BN3, mask_BN, "scores")
        return scores_BK

    def _answer(
        self, names: Sequence[str], points_BN3: Tensor, mask_BN: Tensor | None, output: str
    ) -> list[Tensor]:
        """Returns outputs of the graph, which takes clouds of one size: each size of a batch is one run."""
        check_points(points_BN3, mask_BN)
        if not set(names) <= set(self.outputs):
            held = self.facts.get("output")
            reason = f"was exported with --output {held}: export with --output {output} for this"
            raise WeightsError(self.path, reason)
        if mask_BN is None:
            return self._run(names, points_BN3)
        sizes_B = mask_BN.sum(dim=1)
        rows: list[Tensor] = []
        parts: list[list[Tensor]] = []
        for size in sorted(set(sizes_B.tolist())):
            rows.append((sizes_B == size).nonzero()[:, 0])
            clouds = [points_BN3[row][mask_BN[row]] for row in rows[-1].tolist()]
            parts.append(self._run(names, torch.stack(clouds)))
        back_B = torch.cat(rows).argsort()
        return [torch.cat(pieces)[back_B] for pieces in zip(*parts, strict=True)]

    def _run(self, names: Sequence[str], points_BN3: Tensor) -> list[Tensor]:
        given = {"points": points_BN3.detach().float().cpu().numpy()}
        return [torch.from_numpy(array) for array in self.session.run(list(names), given)]

    @property
    def blocks(self) -> NoReturn:  # type: ignore[override]
        """Refuses: the file does not give its blocks."""
        self._refuse("tokens of inner blocks")

    def group(self, *_: object) -> NoReturn:
        """Refuses: the file does not give its groups."""
        self._refuse("groups of points")

    def transform(self, *_: object) -> NoReturn:
        """Refuses: the file does not give what lies between its input and its outputs."""
        self._refuse("tokens of inner blocks")

    def _save_to_state_dict(self, *_: object) -> NoReturn:
        self._refuse("weights to save")

    def _refuse(self, wanted: str) -> NoReturn:
        hint = 'load the model with backend="torch"'
        raise WeightsError(self.path, f"an ONNX file has no {wanted}: {hint}")


class OnnxHead(nn.Module):
    """A head whose scores the network's file gives."""

    @staticmethod
    def read(network: nn.Module, points_BN3: Tensor, mask_BN: Tensor | None = None) -> PooledFeatures:
        """Returns the (B, K) scores themselves."""
        assert isinstance(network, OnnxNetwork)
        return PooledFeatures(network.scores(points_BN3, mask_BN))

    def forward(self, features: Any, *_: object) -> Tensor:
        """Returns the (B, K) scores that `read` found."""
        if not isinstance(features, PooledFeatures):
            raise TypeError("the head of an ONNX file takes what head_features() returned")
        return features.pooled_BE


def load_onnx(
    make: Callable[[ModelConfig], _Model],
    source: str | os.PathLike[str],
    backend: str = "onnx",
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> _Model:
    """Builds the model of an exported file around its network.

    Args:
        make: builds a model of its configuration; its own weights are thrown away.
        source: the file, or a folder that holds it as model.onnx.
        backend, device, dtype: what a user asked for, which must be "onnx", the CPU and float32.

    Returns:
        The model, in evaluation mode.

    Raises:
        WeightsError: there is no such file, or it is not one of `crossjepa export-onnx`.
        ValueError: backend, device or dtype are others.
    """
    if backend != "onnx":
        raise ValueError(f"backend must be 'torch' or 'onnx', not {backend!r}")
    if (device and device.type != "cpu") or dtype != torch.float32:
        raise ValueError(f'backend="onnx" computes in float32 on the CPU, not in {dtype} on {device}')
    network = OnnxNetwork(source)
    with torch.device("meta"):
        model = make(network.model_config)
    model.network = network
    if model.head is not None:
        model.head = OnnxHead()  # type: ignore[assignment]
    return model.eval()


def find_onnx(source: str | os.PathLike[str]) -> Path:
    """Returns the path of an exported file.

    Raises:
        WeightsError: there is none; the message says how to make one.
    """
    path = Path(os.fsdecode(source)).expanduser()
    path = path / ONNX_NAME if path.is_dir() else path
    if not path.is_file():
        raise WeightsError(
            source, f"no ONNX file: write one by `crossjepa export-onnx {os.fsdecode(source)} -o {ONNX_NAME}`"
        )
    return path


def _open(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f'backend="onnx" needs `pip install crossjepa[onnx]` ({error})') from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise WeightsError(path, f"cannot be read ({error.strerror or error})") from error
    except Exception as error:  # onnxruntime's own, which share no base
        raise WeightsError(path, f"no complete ONNX file ({what(error)})") from error
