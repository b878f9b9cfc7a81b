"""CrossJEPAEncoder: what a user touches.

n inputs, B clouds, N points, K classes, C encoder width, E embedding width (C, or 2C for "max+mean")
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa import hub, model_files
from crossjepa.batching import OnError, as_inputs, forward_batches, prepare_each
from crossjepa.config import Axis, ModelConfig, Pooling
from crossjepa.device import resolve_device, resolve_dtype
from crossjepa.models.evaluation_view import evaluation_view
from crossjepa.models.onnx_network import load_onnx
from crossjepa.prediction import (
    PartPrediction,
    Prediction,
    class_probabilities,
    part_probabilities,
    point_features,
)
from crossjepa.processor import Input, PointCloudProcessor
from crossjepa.similarity import ComparableEncoder

if TYPE_CHECKING:
    from typing_extensions import Unpack


class CrossJEPAEncoder(ComparableEncoder):
    """A point encoder with its preprocessing: files, arrays and meshes in, features out.

    Args:
        config: network, preprocessing, head and provenance; `crossjepa-base` without weights by default.
        device: where to put the parameters; "auto" for a GPU if there is one.
        dtype: their type.

    Attributes:
        network, head, head_config, similarity_config: as in `EncoderWithHead` and `ComparableEncoder`.
        processor: the preprocessing that travels with the weights.
        provenance: facts about the weights.

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
        config = (config or ModelConfig()).without_predictor()  # `CrossJEPA` has that
        super().__init__(config.encoder, config.head, device=device and resolve_device(device), dtype=dtype)
        self.processor = PointCloudProcessor(config.processor)
        self.provenance: Mapping[str, Any] = config.provenance
        self.similarity_config = config.similarity
        self.expects_unit_sphere = config.processor.normalize == "unit_sphere"

    @property
    def model_config(self) -> ModelConfig:
        """All of config.json."""
        return ModelConfig(
            self.config, self.processor.config, self.provenance,
            head=self.head_config, similarity=self.similarity_config,
        )  # fmt: skip

    def with_provenance(self, **facts: Any) -> CrossJEPAEncoder:
        """Records facts about the weights, which `save_pretrained` writes to config.json; returns itself."""
        self.provenance = {**self.provenance, **facts}
        return self

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        backend: Literal["torch", "onnx"] = "torch",
        **options: Unpack[hub.HubOptions],
    ) -> CrossJEPAEncoder:
        """Loads trained weights, completely or not at all, in evaluation mode.

        Args:
            name: a name of `crossjepa.list_models()`, a folder, or an "org/repo" on the Hub.
            device: where to put the model; "auto" for a GPU if there is one, the CPU by default.
            dtype: float32, bfloat16 or float16.
            backend: "onnx" for a file of `crossjepa export-onnx`, or a folder with it as model.onnx, which
                onnxruntime runs on the CPU: for `encode` and `encode_points`, or for `predict`.
            **options: `revision`, `cache_dir`, `token`, `local_files_only` and `force_download` of a download
                from the Hub, see `crossjepa.hub.HubOptions`.

        Raises:
            WeightsError: the weights cannot be found, are damaged, or do not match their config.
            ValueError: the device does not exist, or the dtype is another one.
        """
        target, dtype = resolve_device(device), resolve_dtype(dtype)
        if backend != "torch":
            return load_onnx(cls, name, backend, target, dtype)
        encoder = model_files.load_model(hub.locate(name, **options), cls, {model_files.WEIGHTS_NAME: ""})
        return encoder.to(device=target, dtype=dtype).eval()

    def save_pretrained(self, folder: str | os.PathLike[str], *, dtype: torch.dtype | None = None) -> None:
        """Writes config.json and model.safetensors, which `from_pretrained` reads.

        Args:
            folder: where to; created if it does not exist.
            dtype: type of the stored floating-point tensors, the one of the model by default.
        """
        model_files.save_weights(folder, model_files.converted(self.state_dict(), dtype), self.model_config)

    def push_to_hub(self, repo: str, **options: Unpack[hub.PushOptions]) -> str:
        """Uploads weights, config and a model card to the Hub; returns the address of the commit.

        Args:
            repo: "org/repo", created if it does not exist.
            **options: `token`, `private`, `revision` and `commit_message`, see `crossjepa.hub.PushOptions`.
        """
        return hub.push(self, repo, **options)

    def embedding_width(self, pool: Pooling | None = None) -> int:
        """Returns the channels of a feature of `encode` (E)."""
        return self.num_features * (2 if (pool or self.config.pool) == "max+mean" else 1)

    def preprocess(self, source: Input, *, up_axis: Axis | None = None) -> Tensor:
        """Returns what the network sees of an input, as `encode` does first.

        Args:
            source: one input, as in `encode`.
            up_axis: the axis that points up in the data; the one of the weights by default.

        Returns:
            (N, 3) float32 normalized points on the CPU, N at most the configured `num_points`.

        Raises:
            PointCloudError: the input cannot be used; the message names it and the reason.
        """
        return self.processor(source, up_axis=up_axis)

    @overload
    def encode(
        self, sources: Input | Iterable[Input], *, pool: Pooling | None = ..., batch_size: int = ...,
        normalize: bool = ..., up_axis: Axis | None = ..., on_error: OnError = ..., workers: int = ...,
        convert_to_tensor: Literal[False] = ..., progress: bool | None = ...,
    ) -> NDArray[np.float32]: ...  # fmt: skip
    @overload
    def encode(
        self, sources: Input | Iterable[Input], *, pool: Pooling | None = ..., batch_size: int = ...,
        normalize: bool = ..., up_axis: Axis | None = ..., on_error: OnError = ..., workers: int = ...,
        convert_to_tensor: Literal[True], progress: bool | None = ...,
    ) -> Tensor: ...  # fmt: skip
    def encode(
        self, sources: Input | Iterable[Input], *, pool: Pooling | None = None, batch_size: int = 32,
        normalize: bool = False, up_axis: Axis | None = None, on_error: OnError = "raise", workers: int = 0,
        convert_to_tensor: bool = False, progress: bool | None = None,
    ) -> NDArray[np.float32] | Tensor:  # fmt: skip
        """Turns clouds and meshes into one feature each.

        The mode of the encoder neither matters nor changes, so threads may share one that is in training.

        Args:
            sources: a file, an (N, 3) array or tensor of any size, a `PointCloud` or a `Mesh`; or an iterable
                of them, from which one batch at a time is read; or a (B, N, 3) array or tensor.
            pool: "max", "mean" or "max+mean"; the configured one by default.
            batch_size: clouds per pass through the network.
            normalize: scale every feature to unit length.
            up_axis: the axis that points up in the data; the one of the weights by default.
            on_error: what happens to an input that cannot be used: "raise" raises its error, "skip" gives it
                a row of NaN and warns; a callable is called with its row and error instead of warning.
            workers: processes that read and prepare files and arrays while the network works, 0 for none.
            convert_to_tensor: return a tensor on the device of the model instead of an array.
            progress: show a progress bar; by default if there are more than four batches.

        Returns:
            (n, E) float32, one row per input in their order; (E,) for a single input.

        Raises:
            PointCloudError: an input cannot be used; the message names it and the reason.
            WorkerError: a worker process was killed.

        Example:
            >>> encoder = CrossJEPAEncoder.from_pretrained("crossjepa-base")
            >>> encoder.encode(["chair.obj", "table.obj"]).shape
            (2, 576)
        """
        model = evaluation_view(self)

        def forward(points_BN3: Tensor, mask_BN: Tensor | None) -> Tensor:
            pooled_BE: Tensor = model(points_BN3, mask_BN, pool=pool).pooled.float()
            return torch.nn.functional.normalize(pooled_BE, dim=-1) if normalize else pooled_BE

        inputs, single = as_inputs(sources)
        features_nE = forward_batches(
            forward, inputs, self.processor, width=self.embedding_width(pool), device=self.device,
            batch_size=batch_size, up_axis=up_axis, on_error=on_error, progress=progress, title="encode",
            keep_on_device=convert_to_tensor, workers=workers,
        )  # fmt: skip
        features = features_nE[0] if single else features_nE
        return features if convert_to_tensor else features.numpy()

    @overload
    def encode_points(  # type: ignore[overload-overlap]  # a text is an iterable, too
        self, sources: Input, *, up_axis: Axis | None = ..., on_error: OnError = ...
    ) -> NDArray[np.float32]: ...
    @overload
    def encode_points(
        self, sources: Iterable[Input], *, up_axis: Axis | None = ..., on_error: OnError = ...
    ) -> list[NDArray[np.float32]]: ...
    def encode_points(
        self, sources: Input | Iterable[Input], *, up_axis: Axis | None = None, on_error: OnError = "raise"
    ) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        """Gives a feature to every original point of a cloud, or to every vertex of a mesh.

        Args:
            sources: one input or several, as in `encode`.
            up_axis: the axis that points up in the data; the one of the weights by default.
            on_error: as in `encode`; an input that cannot be used gives an empty (0, C) array.

        Returns:
            (N, C) float32 inverse-distance means of the nearest tokens, in the order of the input's points,
            NaN for those that are not finite; a list of them for several inputs.

        Raises:
            PointCloudError: an input cannot be used; the message names it and the reason.

        Example:
            >>> CrossJEPAEncoder.from_pretrained("crossjepa-base").encode_points(np.random.rand(500, 3)).shape
            (500, 288)
        """
        inputs, single = as_inputs(sources)
        features, model = [], evaluation_view(self)
        for prepared in prepare_each(inputs, self.processor, up_axis=up_axis, on_error=on_error):
            if prepared is None:
                features.append(np.zeros((0, self.num_features), np.float32))
                continue
            with torch.inference_mode():
                found_VC = point_features(model, prepared.points, prepared.queries)
            features.append(prepared.in_input_order(found_VC).numpy())
        return features[0] if single else features

    @overload
    def predict(  # type: ignore[overload-overlap]  # a text is an iterable, too
        self, sources: Input, *, votes: int = ..., batch_size: int = ..., up_axis: Axis | None = ...,
        on_error: OnError = ..., progress: bool | None = ...,
    ) -> Prediction: ...  # fmt: skip
    @overload
    def predict(
        self, sources: Iterable[Input], *, votes: int = ..., batch_size: int = ...,
        up_axis: Axis | None = ..., on_error: OnError = ..., progress: bool | None = ...,
    ) -> list[Prediction]: ...  # fmt: skip
    def predict(
        self, sources: Input | Iterable[Input], *, votes: int = 1, batch_size: int = 32,
        up_axis: Axis | None = None, on_error: OnError = "raise", progress: bool | None = None,
    ) -> Prediction | list[Prediction]:  # fmt: skip
        """Names the class of clouds and meshes, with probabilities.

        Args:
            sources: one input or several, as in `encode`.
            votes: passes over differently stretched copies whose probabilities are averaged.
            batch_size: clouds per pass through the network.
            up_axis: the axis that points up in the data; by default the one of the training clouds.
            on_error: as in `encode`; an input that cannot be used gives a `Prediction` with the label "".
            progress: show a progress bar; by default if there are more than four batches.

        Returns:
            One `Prediction` per input in their order; for a single input, just that.

        Raises:
            NoHeadError: the model was not fine-tuned for classification.
            PointCloudError: an input cannot be used; the message names it and the reason.
        """
        inputs, single = as_inputs(sources)
        probabilities_nK = self.predict_proba(
            inputs, votes=votes, batch_size=batch_size, up_axis=up_axis, on_error=on_error, progress=progress
        )
        answers = [Prediction.from_row(row_K, self.classes) for row_K in probabilities_nK]
        return answers[0] if single else answers

    def predict_proba(
        self, sources: Input | Iterable[Input], *, votes: int = 1, batch_size: int = 32,
        up_axis: Axis | None = None, on_error: OnError = "raise", progress: bool | None = None,
    ) -> NDArray[np.float32]:  # fmt: skip
        """Returns the probabilities of `predict`: (n, K) float32, or (K,), columns as in `classes`."""
        self.require_head("classification")
        model = evaluation_view(self)

        def forward(points_BN3: Tensor, mask_BN: Tensor | None) -> Tensor:
            return class_probabilities(model, points_BN3, mask_BN, votes)

        inputs, single = as_inputs(sources)
        probabilities_nK = forward_batches(
            forward, inputs, self.processor, width=len(self.classes), device=self.device,
            batch_size=batch_size, up_axis=up_axis or self.head_up_axis, on_error=on_error, progress=progress,
            title="predict",
        )  # fmt: skip
        return np.asarray((probabilities_nK[0] if single else probabilities_nK).numpy())

    @overload
    def predict_parts(  # type: ignore[overload-overlap]  # a text is an iterable, too
        self, sources: Input, label: str | None = ..., *, votes: int = ..., up_axis: Axis | None = ...,
        on_error: OnError = ...,
    ) -> PartPrediction: ...  # fmt: skip
    @overload
    def predict_parts(
        self, sources: Iterable[Input], label: str | None = ..., *, votes: int = ...,
        up_axis: Axis | None = ..., on_error: OnError = ...,
    ) -> list[PartPrediction]: ...  # fmt: skip
    def predict_parts(
        self, sources: Input | Iterable[Input], label: str | None = None, *, votes: int = 1,
        up_axis: Axis | None = None, on_error: OnError = "raise",
    ) -> PartPrediction | list[PartPrediction]:  # fmt: skip
        """Names the part of every original point of a cloud, or of every vertex of a mesh.

        Args:
            sources: one input or several, as in `encode`.
            label: class of the objects, which the head takes as known; may be left out if there is only one.
            votes: as in `predict`.
            up_axis: the axis that points up in the data; by default the one of the training clouds.
            on_error: as in `encode`; an input that cannot be used gives a `PartPrediction` of no points.

        Returns:
            One `PartPrediction` per input in their order; for a single input, just that.

        Raises:
            NoHeadError: the model was not fine-tuned for part segmentation.
            ValueError: the class is unknown or was left out; the message lists the known ones.
            PointCloudError: an input cannot be used; the message names it and the reason.
        """
        self.require_head("partseg")
        number, axis, answers = self.class_number(label), up_axis or self.head_up_axis, []
        inputs, single = as_inputs(sources)
        model = evaluation_view(self)
        for prepared in prepare_each(inputs, self.processor, up_axis=axis, on_error=on_error):
            shares_NP = torch.zeros(0, 1)
            if prepared is not None:
                with torch.inference_mode():
                    shares_NP = part_probabilities(model, prepared.points, prepared.queries, number, votes)
                shares_NP = prepared.in_input_order(shares_NP)
            answers.append(PartPrediction.from_shares(shares_NP, self.class_parts[number], self.part_names))
        return answers[0] if single else answers
