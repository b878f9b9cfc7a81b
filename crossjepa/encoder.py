"""CrossJEPAEncoder: what a user touches.

B clouds, N points, G groups, C encoder width, E embedding width (C, or 2C for "max+mean")
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa import hub
from crossjepa.batching import EvaluationMode, as_list, batch_starts, pad
from crossjepa.config import Axis, HeadConfig, ModelConfig, Pooling
from crossjepa.io import Mesh
from crossjepa.models.heads import make_head
from crossjepa.ops import interpolate_tokens
from crossjepa.prediction import POINTS_PER_CHUNK, PredictingTransformer
from crossjepa.processor import PointCloudProcessor, Source, load


class CrossJEPAEncoder(PredictingTransformer):
    """A point encoder with its preprocessing: files, arrays and meshes in, features out.

    Args:
        config: network, preprocessing and provenance; `crossjepa-base` without weights by default.
        device: where to put the parameters.
        dtype: their type.

    Example:
        >>> encoder = CrossJEPAEncoder.from_pretrained("crossjepa-base")
        >>> encoder.encode([np.random.rand(500, 3), np.random.rand(2000, 3)]).shape
        (2, 576)
    """

    def __init__(
        self,
        config: ModelConfig | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self_config = config or ModelConfig()
        super().__init__(self_config.encoder, device=device, dtype=dtype)
        self.model_config = self_config.without_predictor()  # `CrossJEPA` has that
        self.processor = PointCloudProcessor(self_config.processor)
        self.set_head(self_config.head)

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> CrossJEPAEncoder:
        """Loads trained weights, completely or not at all, in evaluation mode.

        Args:
            name: a name of `crossjepa.list_models()`, a folder, or an "org/repo" on the Hub.
            revision: branch, tag or commit on the Hub.
            cache_dir: folder of downloads, the Hub client's own by default.
            token: access token for private repositories; True for the stored one.
            local_files_only: use only what has been downloaded before.
            force_download: download again.
            device: where to put the model, the CPU by default.
            dtype: float32, bfloat16 or float16.

        Returns:
            The encoder.

        Raises:
            WeightsError: the weights cannot be found or do not fit their config; the message says why.
        """
        folder = hub.locate(
            name, revision=revision, cache_dir=cache_dir, token=token,
            local_files_only=local_files_only, force_download=force_download,
        )  # fmt: skip
        # Without storage until the file has been checked: a wrong config costs no memory.
        with torch.device("meta"):
            encoder = cls(hub.read_config(folder))
        hub.load_weights(encoder, folder / hub.WEIGHTS_NAME)
        return encoder.to(device=device, dtype=dtype).eval()

    def save_pretrained(self, folder: str | os.PathLike[str], *, dtype: torch.dtype | None = None) -> None:
        """Writes config.json and model.safetensors, which `from_pretrained` reads.

        Args:
            folder: where to; made when it is not there.
            dtype: type of the stored floating-point tensors, the one of the model by default.
        """
        hub.save_weights(folder, hub.converted(self.state_dict(), dtype), self.model_config)

    def push_to_hub(
        self,
        repo: str,
        *,
        token: str | bool | None = None,
        private: bool = False,
        revision: str | None = None,
        commit_message: str = "Upload crossjepa weights",
    ) -> str:
        """Uploads weights, config and a model card to the Hub.

        Args:
            repo: "org/repo", made when it is not there.
            token: access token with the right to write; the stored one by default.
            private: whether a new repository is private.
            revision: branch to commit to.
            commit_message: message of the commit.

        Returns:
            The address of the commit.
        """
        return hub.push(self, repo, token=token, private=private, revision=revision, message=commit_message)

    def preprocess(self, source: Source, *, up_axis: Axis | None = None) -> Tensor:
        """Shows what the network sees of an input: `encode` does exactly this first.

        Args:
            source: a file, an (N, 3) or wider array or tensor, a `PointCloud` or a `Mesh`.
            up_axis: the axis that points up in the data; the one of the weights by default.

        Returns:
            (N, 3) float32 normalized points on the CPU, N at most the configured `num_points`.

        Raises:
            PointCloudError: the input cannot be used; the message names it and the reason.
        """
        return self.processor(source, up_axis=up_axis)

    @torch.inference_mode()
    def encode(
        self,
        sources: Source | Sequence[Source],
        *,
        pool: Pooling | None = None,
        batch_size: int = 32,
        normalize: bool = False,
        up_axis: Axis | None = None,
        progress: bool | None = None,
    ) -> NDArray[np.float32]:
        """Turns clouds and meshes into one feature each.

        Args:
            sources: a list of files, (N, 3) arrays or tensors of any sizes, `PointCloud`s or `Mesh`es; or one
                of them; or a (B, N, 3) array or tensor.
            pool: "max", "mean" or "max+mean"; the configured one by default.
            batch_size: clouds a pass through the network.
            normalize: scale every feature to unit length.
            up_axis: the axis that points up in the data; the one of the weights by default.
            progress: show a progress bar; by default when there are more than four batches.

        Returns:
            (n, E) float32, a row an input in their order; (E,) for a single input.

        Raises:
            PointCloudError: an input cannot be used; the message names it and the reason.
        """
        listed, single = as_list(sources)
        features: list[NDArray[np.float32]] = []
        for start in batch_starts(len(listed), batch_size, progress, "encode"):
            clouds = [
                self.preprocess(source, up_axis=up_axis) for source in listed[start : start + batch_size]
            ]
            features.append(self.encode_preprocessed(clouds, pool=pool, normalize=normalize))
        if not features:
            return np.zeros((0, self.embedding_width(pool)), np.float32)
        stacked = np.concatenate(features)
        return stacked[0] if single else stacked

    @torch.inference_mode()
    def encode_preprocessed(
        self, clouds: Sequence[Tensor], *, pool: Pooling | None = None, normalize: bool = False
    ) -> NDArray[np.float32]:
        """Encodes one batch of clouds that `preprocess` returned.

        Args:
            clouds: (N_i, 3) float32 tensors.
            pool: as in `encode`.
            normalize: as in `encode`.

        Returns:
            (n, E) float32.
        """
        points_BN3, mask_BN = pad(clouds)
        mask_BN = None if mask_BN is None else mask_BN.to(self.device)
        with EvaluationMode(self):
            pooled_BE = self(points_BN3.to(self.device), mask_BN, pool=pool).pooled.float()
        if normalize:
            pooled_BE = torch.nn.functional.normalize(pooled_BE, dim=-1)
        features: NDArray[np.float32] = pooled_BE.cpu().numpy()
        return features

    @torch.inference_mode()
    def encode_points(self, source: Source, *, up_axis: Axis | None = None) -> NDArray[np.float32]:
        """Gives a feature to every original point of a cloud, or to every vertex of a mesh.

        Args:
            source: a file, an (N, 3) or wider array or tensor, a `PointCloud` or a `Mesh`.
            up_axis: the axis that points up in the data; the one of the weights by default.

        Returns:
            (N, C) float32 inverse-distance means of the nearest tokens, in the order of the input's points.

        Raises:
            PointCloudError: the input cannot be used; the message names it and the reason.
        """
        shape = load(source)
        sampled_M3, frame = self.processor.sample(shape, up_axis=up_axis)
        original_N3 = shape.vertices_V3 if isinstance(shape, Mesh) else shape.points_N3
        points_N3 = torch.from_numpy(frame.apply(self.processor.turn_up(original_N3, up_axis)))
        with EvaluationMode(self):
            output = self(torch.from_numpy(frame.apply(sampled_M3)).unsqueeze(0).to(self.device))
            chunks = [
                interpolate_tokens(
                    chunk_N3.unsqueeze(0).to(self.device),
                    output.centers,
                    output.tokens.float(),
                    output.token_mask,
                )[0].cpu()
                for chunk_N3 in torch.split(points_N3, POINTS_PER_CHUNK)
            ]
        return torch.cat(chunks).numpy()

    @property
    def head_config(self) -> HeadConfig | None:
        """What the head answers, None without a head."""
        return self.model_config.head

    def set_head(self, config: HeadConfig | None) -> CrossJEPAEncoder:
        """Puts a head with random weights in the place of the old one, or takes it away; returns itself."""
        self.model_config = replace(self.model_config, head=config)
        self.head = None if config is None else make_head(config, self.config)
        self.to(device=self.norm.weight.device, dtype=self.norm.weight.dtype)
        return self

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.norm.weight.device

    def embedding_width(self, pool: Pooling | None = None) -> int:
        """Returns the channels of a feature of `encode` (E)."""
        return self.num_features * (2 if (pool or self.config.pool) == "max+mean" else 1)

    def with_provenance(self, **facts: Any) -> CrossJEPAEncoder:
        """Records facts about the weights, which `save_pretrained` writes to config.json; returns itself."""
        merged = {**self.model_config.provenance, **facts}
        self.model_config = replace(self.model_config, provenance=merged)
        return self
