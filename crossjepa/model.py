"""CrossJEPA: the encoder with the predictor of views that it was trained with.

B clouds, N points, G tokens, V views, H histogram bins, D teacher width
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crossjepa import hub, model_files
from crossjepa.config import ModelConfig, ViewPredictionConfig
from crossjepa.device import resolve_device, resolve_dtype
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.errors import WeightsError
from crossjepa.models.evaluation_view import evaluation_view
from crossjepa.models.predictor import ViewPredictor

if TYPE_CHECKING:
    from typing_extensions import Unpack

# A number for all, or (B,) or (B, V) of them.
Numbers: TypeAlias = float | Tensor | NDArray[np.floating]


class CrossJEPA(nn.Module):
    """An encoder and a predictor: what an image model, the teacher, would see in a view that nobody rendered.

    Args:
        encoder: the encoder.
        prediction: shape of the predictor, its teacher, and the view that is assumed if none is given.
        provenance: facts about the training of the predictor, if it had one of its own.

    Example:
        >>> model = CrossJEPA.from_pretrained("crossjepa-base")
        >>> cloud_N3 = model.encoder.preprocess("chair.obj")
        >>> model.predict_view(cloud_N3[None], azimuth=30, elevation=20).shape
        torch.Size([1, 944])
    """

    def __init__(
        self,
        encoder: CrossJEPAEncoder,
        prediction: ViewPredictionConfig,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.prediction, self.provenance = encoder, prediction, provenance
        self.predictor = ViewPredictor(prediction.network, encoder.num_features)

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        **options: Unpack[hub.HubOptions],
    ) -> CrossJEPA:
        """Loads a trained encoder with its predictor, completely or not at all, in evaluation mode.

        Args:
            name: as in `CrossJEPAEncoder.from_pretrained`.
            device: the same.
            dtype: the same.
            **options: the same.

        Raises:
            WeightsError: the weights cannot be found, are damaged, do not match their config, or have no
                predictor; the message says which.
            ValueError: the device does not exist, or the dtype is another one.
        """
        target, dtype = resolve_device(device), resolve_dtype(dtype)
        folder = hub.locate(name, predictor=True, **options)

        def make(config: ModelConfig) -> CrossJEPA:
            if config.predictor is None:
                raise WeightsError(name, hub.no_predictor(f"{model_files.CONFIG_NAME} says nothing of one"))
            return cls(CrossJEPAEncoder(config), config.predictor, config.provenance.get("predictor"))

        parts = {model_files.WEIGHTS_NAME: "encoder", model_files.PREDICTOR_NAME: "predictor"}
        model = model_files.load_model(folder, make, parts)
        return model.to(device=target, dtype=dtype).eval()

    @property
    def model_config(self) -> ModelConfig:
        """All of config.json."""
        config = replace(self.encoder.model_config, predictor=self.prediction)
        if not self.provenance:
            return config
        return replace(config, provenance={**config.provenance, "predictor": self.provenance})

    def save_pretrained(self, folder: str | os.PathLike[str], *, dtype: torch.dtype | None = None) -> None:
        """Writes what `CrossJEPAEncoder.save_pretrained` does, and predictor.safetensors."""
        encoder, predictor = (
            model_files.converted(part.state_dict(), dtype) for part in (self.encoder, self.predictor)
        )
        model_files.save_weights(folder, encoder, self.model_config, predictor)

    def push_to_hub(self, repo: str, **options: Unpack[hub.PushOptions]) -> str:
        """Uploads weights, config and a model card, as `CrossJEPAEncoder.push_to_hub` does."""
        return hub.push(self, repo, **options)

    def forward(self, points_BN3: Tensor, pose_BV3: Tensor, histogram_BVH: Tensor) -> Tensor:
        """Predicts embeddings, with gradients; see `predict_view` for the same in plain units.

        Args:
            points_BN3: (B, N, 3) coordinates as of `predict_view`.
            pose_BV3: (B, V, 3) azimuth and elevation in radians, distance in radii of the object.
            histogram_BVH: (B, V, 48) color histogram of each view.

        Returns:
            (B, V, D) predicted embeddings.
        """
        encoded = self.encoder(points_BN3)
        # A cloud with fewer points than groups has only as many real tokens as points.
        real = min(encoded.tokens.shape[1], points_BN3.shape[1])
        tokens_BGC, centers_BG3 = encoded.tokens[:, :real], encoded.centers[:, :real]
        embeddings_BVD: Tensor = self.predictor(tokens_BGC, centers_BG3, pose_BV3, histogram_BVH)
        return embeddings_BVD

    @overload
    def predict_view(
        self,
        points_BN3: Tensor | NDArray[np.floating],
        azimuth: Numbers,
        elevation: Numbers,
        distance: Numbers | None = None,
        histogram: Tensor | NDArray[np.floating] | None = None,
        *,
        teacher: str,
    ) -> Tensor: ...

    @overload
    def predict_view(  # the weights decide whether it is a tensor or a dict of them
        self,
        points_BN3: Tensor | NDArray[np.floating],
        azimuth: Numbers,
        elevation: Numbers,
        distance: Numbers | None = None,
        histogram: Tensor | NDArray[np.floating] | None = None,
    ) -> Any: ...

    @torch.inference_mode()
    def predict_view(
        self,
        points_BN3: Tensor | NDArray[np.floating],
        azimuth: Numbers,
        elevation: Numbers,
        distance: Numbers | None = None,
        histogram: Tensor | NDArray[np.floating] | None = None,
        *,
        teacher: str | None = None,
    ) -> Any:
        """Predicts the teacher's embedding of pictures of objects, from their points alone.

        The teacher is the image model `prediction.teacher`, and `prediction.embedding` says which of its
        embeddings it is. Of weights that learned from several teachers, `prediction.teachers` names each.
        Angles and distances are one number for all clouds, (B,) for one view of each, or
        (B, V) for several.

        Args:
            points_BN3: (B, N, 3) clouds as `encoder.preprocess` returns them: centroid 0, largest radius 1,
                y up.
            azimuth: degrees about the y axis; a camera at 0 looks from +z, at 90 from +x.
            elevation: degrees above the horizon.
            distance: of the camera from the origin, in radii of the object; by default the mean of the views
                in training, `prediction.distance`.
            histogram: (48,), (B, 48) or (B, V, 48) colors of the picture: the shares of pixels in 16 equal
                bins of red, then of green, then of blue. It tells the predictor what points cannot: colors,
                and how much of the picture is background. By default the mean of the views in training,
                `prediction.histogram`.
            teacher: name of the one whose embeddings to return.

        Returns:
            (B, D) float32 embeddings, or (B, V, D) if an argument is given for several views. Of several
            teachers, a dict of such tensors by name, unless one is chosen with `teacher`.

        Raises:
            ValueError: an argument has a shape that does not fit, or there is no such teacher.
        """
        teachers = self.prediction.each_teacher
        names = [each.name for each in teachers]
        if teacher is not None and teacher not in names:
            raise ValueError(f"no teacher {teacher!r}; these weights learned from {', '.join(names)}")
        points_BN3 = torch.as_tensor(points_BN3, dtype=torch.float32, device=self.encoder.device)
        given = {
            "azimuth": azimuth,
            "elevation": elevation,
            "distance": self.prediction.distance if distance is None else distance,
            "histogram": self.prediction.histogram if histogram is None else histogram,
        }
        values = {name: torch.as_tensor(value, dtype=torch.float32) for name, value in given.items()}
        pose_BV3, histogram_BVH, several = self._views(values, len(points_BN3))
        embeddings_BVD: Tensor = evaluation_view(self)(points_BN3, pose_BV3, histogram_BVH).float()
        if not several:
            embeddings_BVD = embeddings_BVD[:, 0]
        if len(teachers) == 1:
            return embeddings_BVD
        parts = torch.split(embeddings_BVD, [each.width for each in teachers], dim=-1)
        named = dict(zip(names, parts, strict=True))
        return named if teacher is None else named[teacher]

    def _views(self, values: dict[str, Tensor], clouds: int) -> tuple[Tensor, Tensor, bool]:
        """Returns poses (B, V, 3), histograms (B, V, H), and whether several views were asked for."""
        bins = self.prediction.network.histogram_bins
        if values["histogram"].shape[-1:] != (bins,):
            raise ValueError(f"histogram must have {bins} bins, not shape {tuple(values['histogram'].shape)}")
        wide = {name: value if name == "histogram" else value.unsqueeze(-1) for name, value in values.items()}
        several = [value.shape[1] for value in wide.values() if value.ndim == 3]
        azimuth_BV1, elevation_BV1, distance_BV1, histogram_BVH = (
            _expand(name, value.to(self.encoder.device), clouds, max(several, default=1))
            for name, value in wide.items()
        )
        pose_BV3 = torch.cat([azimuth_BV1.deg2rad(), elevation_BV1.deg2rad(), distance_BV1], dim=-1)
        return pose_BV3, histogram_BVH, bool(several)


def _expand(name: str, value: Tensor, clouds: int, views: int) -> Tensor:
    """Returns (B, V, X) numbers of what is given for all (X,), for each cloud (B, X), or for each view."""
    try:
        return (value.unsqueeze(1) if value.ndim == 2 else value).expand(clouds, views, -1)
    except RuntimeError:
        given = tuple(value.shape if name == "histogram" else value.shape[:-1])
        raise ValueError(f"{name} of shape {given} does not fit {clouds} clouds, {views} views") from None
